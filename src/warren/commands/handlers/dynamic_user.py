"""Choose the user that a program runs as: one that the owner names, or one that nobody else has.

A program never has the user of the agent or of root, nor their groups: it could signal their processes, open their
files, change the modes of these, and connect to their sockets, none of which Landlock prevents.

The numbers are those of systemd's dynamic users (61184 to 65519), and so are the lock files: where systemd has its
directory of them, a number is taken there as systemd takes it, so that the two never give the same one.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from warren.commands.sandbox_protocol import RunAs
from warren.errors import HostError
from warren.files.atomic import remove_file
from warren.files.lock_file import LockFile
from warren.files.make_directory import make_directory
from warren.files.trusted_path import process_trust
from warren.local_client import ADMIN_GROUP

if sys.platform != "win32":
    import grp
    import pwd

ROOT = 0
FIRST, LAST = 61184, 65519  # systemd's DYNAMIC_UID_MIN and DYNAMIC_UID_MAX
LOCKS = Path("/run/systemd/dynamic-uid")
DIRECTORY_MODE = 0o700


@contextmanager
def chosen(user: str | None, locks: Path, agent_user: str, admin_group: str = ADMIN_GROUP) -> Iterator[RunAs]:
    """Return the user for as long as the context lasts.

    `agent_user` is the name of the agent's, and the members of `admin_group` control the agent.

    Raises HostError: `sandbox.unprivileged` if this process is not root, `sandbox.forbidden_user` for the user of root
    or of the agent, and `sandbox.unknown_user`.
    """
    if own_uid() != ROOT:
        problem = "only root can run a program as another user, and no program runs as the agent's own"
        raise HostError(problem, code="sandbox.unprivileged")
    with ExitStack() as held:
        if user is not None:
            yield _named(user, agent_user, admin_group)
        else:
            uid = held.enter_context(_claimed(LOCKS if LOCKS.is_dir() else locks))
            yield RunAs(uid, uid, exclusive=True)


def own_uid() -> int:
    """Return the user of this process. Raises HostError where there are no users."""
    if sys.platform != "win32":
        return os.geteuid()
    raise HostError("this system has no users to run programs as", code="sandbox.unknown_user")


def _named(user: str, agent_user: str, admin_group: str) -> RunAs:
    if sys.platform != "win32":
        try:
            account = pwd.getpwnam(user)
        except KeyError as error:
            raise HostError(f"there is no user {user} for scripts to run as", code="sandbox.unknown_user") from error
        groups = tuple(os.getgrouplist(user, account.pw_gid))
        uids, gids = _forbidden(agent_user, admin_group)
        if account.pw_uid in uids:
            problem = f"scripts cannot run as {user}: uid {account.pw_uid} is that of root or of the agent"
            raise HostError(problem, code="sandbox.forbidden_user")
        if shared := sorted(gids & {account.pw_gid, *groups}):
            problem = (
                f"scripts cannot run as {user}: gid {shared[0]}, one of its groups, is that of root, of the agent or of"
                " those who control it"
            )
            raise HostError(problem, code="sandbox.forbidden_user")
        return RunAs(account.pw_uid, account.pw_gid, groups)
    raise HostError("this system has no users to run programs as", code="sandbox.unknown_user")


def _forbidden(agent_user: str, admin_group: str) -> tuple[frozenset[int], frozenset[int]]:
    """Return the users and the groups that no program has: those of root, of the agent, of who controls it, of this.

    An agent whose user does not exist on this host runs as none that could be shared.
    """
    uids, gids = {ROOT}, {ROOT}
    if sys.platform != "win32":
        uids.add(os.geteuid())
        gids.add(os.getegid())
        with suppress(KeyError):
            account = pwd.getpwnam(agent_user)
            uids.add(account.pw_uid)
            gids.add(account.pw_gid)
        with suppress(KeyError):
            gids.add(grp.getgrnam(admin_group).gr_gid)
    return frozenset(uids), frozenset(gids)


@contextmanager
def _claimed(locks: Path) -> Iterator[int]:
    """Claim a number that no user, group or process has, and that nobody else claims."""
    make_directory(locks, DIRECTORY_MODE, trust=process_trust())
    count = LAST - FIRST + 1
    start = secrets.randbelow(count)
    in_use = _uids_of_processes()
    for step in range(count):
        uid = FIRST + (start + step) % count
        if uid in in_use or _is_known(uid):
            continue
        with _lock(locks / str(uid)) as is_ours:
            if is_ours:
                yield uid
                return
    raise HostError(f"every user from {FIRST} to {LAST} is in use", code="sandbox.unknown_user")


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Lock a file and return whether this process has it. The file is removed while it is locked, as systemd does."""
    with LockFile.open(path, trust=process_trust()) as lock, ExitStack() as undo:
        is_ours = lock.acquire() and lock.is_linked
        if is_ours:
            undo.callback(remove_file, path, trust=process_trust())
        yield is_ours


def _is_known(number: int) -> bool:
    if sys.platform != "win32":
        with suppress(KeyError):
            pwd.getpwuid(number)
            return True
        with suppress(KeyError):
            grp.getgrgid(number)
            return True
    return False


def _uids_of_processes() -> frozenset[int]:
    uids = set()
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                with suppress(OSError):  # it has ended
                    uids.add(entry.stat().st_uid)
    return frozenset(uids)
