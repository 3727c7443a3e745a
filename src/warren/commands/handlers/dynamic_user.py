"""Whom a program runs as: a user that the owner names, or one that nobody else is.

The numbers are those of systemd's dynamic users (61184 to 65519), and so are the locks: where systemd has its directory
of them, a number is taken there as systemd takes it, so that the two never give the same one.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from warren.commands.sandbox import RunAs
from warren.errors import HostError

if sys.platform != "win32":
    import fcntl
    import grp
    import pwd

ROOT = 0
FIRST, LAST = 61184, 65519  # systemd's DYNAMIC_UID_MIN and DYNAMIC_UID_MAX
LOCKS = Path("/run/systemd/dynamic-uid")


@contextmanager
def chosen(user: str | None, locks: Path) -> Iterator[RunAs | None]:
    """Who it is while the context lasts; None is the agent's own user, who cannot become another.

    Raises HostError `sandbox.unknown_user`.
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
    """Who this process is. Raises HostError where there are no users."""
    if sys.platform != "win32":
        return os.geteuid()
    raise HostError("there are no users to run as on this system", code="sandbox.unknown_user")


def _named(user: str) -> RunAs | None:
    if sys.platform != "win32":
        try:
            found = pwd.getpwnam(user)
        except KeyError as error:
            raise HostError(f"there is no user {user} for scripts to run as", code="sandbox.unknown_user") from error
        if found.pw_uid == os.geteuid():
            return None
        if os.geteuid() == ROOT:
            return RunAs(found.pw_uid, found.pw_gid, tuple(os.getgrouplist(user, found.pw_gid)))
    raise HostError(f"scripts are to run as {user}, and this is not root", code="sandbox.unknown_user")


@contextmanager
def _claimed(locks: Path) -> Iterator[int]:
    """A number that no user, group or process has, and that nobody else claims."""
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    """Whether it is this process's now. The file goes while it is still held, as systemd has it."""
    with ExitStack() as undone:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        held = os.open(path, flags, 0o600)
        undone.callback(os.close, held)
        is_ours = _take(held)
        if is_ours:
            undone.callback(path.unlink, missing_ok=True)
        yield is_ours


def _take(held: int) -> bool:
    if sys.platform != "win32":
        with suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file in between.
            return os.fstat(held).st_nlink > 0
    return False


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
    found = set()
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                with suppress(OSError):  # it has ended
                    found.add(entry.stat().st_uid)
    return frozenset(found)
