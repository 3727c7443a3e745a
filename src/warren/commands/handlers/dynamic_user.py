"""Choose the user that a program runs as: one that the owner names, or one that nobody else has.

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

if sys.platform != "win32":
    import grp
    import pwd

ROOT = 0
FIRST, LAST = 61184, 65519  # systemd's DYNAMIC_UID_MIN and DYNAMIC_UID_MAX
LOCKS = Path("/run/systemd/dynamic-uid")
DIRECTORY_MODE = 0o700


@contextmanager
def chosen(user: str | None, locks: Path) -> Iterator[RunAs | None]:
    """Return the user for as long as the context lasts; None is the agent's own, who cannot become another.

    Raises HostError `sandbox.user`.
    """
    with ExitStack() as held:
        if user is not None:
            yield _named(user)
        elif own_uid() != ROOT:
            yield None
        else:
            uid = held.enter_context(_claimed(LOCKS if LOCKS.is_dir() else locks))
            yield RunAs(uid, uid, exclusive=True)


def own_uid() -> int:
    """Return the user of this process. Raises HostError where there are no users."""
    if sys.platform != "win32":
        return os.geteuid()
    raise HostError("this system has no users to run programs as", code="sandbox.unknown_user")


def _named(user: str) -> RunAs | None:
    if sys.platform != "win32":
        try:
            account = pwd.getpwnam(user)
        except KeyError as error:
            raise HostError(f"there is no user {user} for scripts to run as", code="sandbox.unknown_user") from error
        if account.pw_uid == os.geteuid():
            return None
        if os.geteuid() == ROOT:
            return RunAs(account.pw_uid, account.pw_gid, tuple(os.getgrouplist(user, account.pw_gid)))
    raise HostError(f"scripts are to run as {user}, and this is not root", code="sandbox.unknown_user")


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
