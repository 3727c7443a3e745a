"""Make directories: what exists stays as it is, its owner and its mode included.

Power cut and kill: each directory is on the disk before anything is made in it, and one with an owner of its own is
made under a temporary name first, so that it never stands there half made.
Hostile directory: with `trust`, each step is made in a proven directory and proven itself. A directory that others
could write is passed if it has the sticky bit (`trusted_path`): what is made in it, nobody else can rename or remove.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from warren.files.atomic import Owner
from warren.files.directory import Directory, open_directory
from warren.files.trusted_path import Trust, walk_trusted

PRIVATE, OPEN = 0o700, 0o755


def make_directory(
    path: Path, mode: int, *, trust: Trust | None, owner: Owner = None, exact_mode: bool = False
) -> bool:
    """Make a directory, and what is missing above it, with `mode`; return False for one that exists already.

    `exact_mode` makes the umask not apply. `owner` is the user and group of the directory itself: then what is missing
    above it is this process's own, and open to all. Raises OSError and UntrustedPathError.
    """
    with ExitStack() as opened:
        above, missing = _nearest(path, trust, opened)
        is_made = False
        for name in missing:
            if owner is None or sys.platform == "win32":
                is_made = _make(above, name, mode, exact_mode=exact_mode)
            elif name is missing[-1]:
                return _make_owned(above, name, mode, owner)
            else:
                is_made = _make(above, name, OPEN, exact_mode=True)
            above = opened.enter_context(_open_below(above, name, trust))
        return is_made


def remove_empty_directory(path: Path, *, trust: Trust | None) -> None:
    """Remove a directory that has nothing in it. Raises OSError and UntrustedPathError."""
    with _open(path.parent, trust) as above:
        above.remove_directory(path.name)
        above.sync()


def sync_directory(path: Path, *, trust: Trust | None) -> None:
    """Write the names of a directory to the disk. Raises OSError and UntrustedPathError."""
    with _open(path, trust) as directory:
        directory.sync()


def _nearest(path: Path, trust: Trust | None, opened: ExitStack) -> tuple[Directory, list[str]]:
    """Return the nearest directory that exists, open, and the names that are missing below it."""
    missing: list[str] = []
    at = path.absolute()
    while True:
        try:
            return opened.enter_context(_open(at, trust)), missing[::-1]
        except FileNotFoundError:
            if os.path.lexists(at):  # another process was quicker; or a link that leads nowhere, which fails again
                return opened.enter_context(_open(at, trust)), missing[::-1]
        missing.append(at.name)
        at = at.parent


def _make(above: Directory, name: str, mode: int, *, exact_mode: bool) -> bool:
    try:
        above.make_directory(name, mode)
    except FileExistsError:
        return False  # another process was quicker
    if exact_mode:
        with above.open_directory(name) as made:
            made.set_mode(mode)
    above.sync()
    return True


def _make_owned(above: Directory, name: str, mode: int, owner: tuple[int, int]) -> bool:
    temporary = f".{name}.unfinished"
    with suppress(FileNotFoundError):
        above.remove_directory(temporary)
    above.make_directory(temporary, PRIVATE)
    with above.open_directory(temporary) as made:
        made.set_owner(*owner)
        made.set_mode(mode)
        made.sync()
    above.rename(temporary, name)  # which fails if another process has made it, and something in it
    above.sync()
    return True


def _open(path: Path, trust: Trust | None, below: Directory | None = None) -> Directory:
    if trust is None:
        return open_directory(path)
    with walk_trusted(path, trust, below) as entry:
        if not stat.S_ISDIR(entry.status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        return Directory(entry.path, os.dup(entry.descriptor))


def _open_below(above: Directory, name: str, trust: Trust | None) -> Directory:
    return above.open_directory(name) if trust is None else _open(Path(name), trust, above)
