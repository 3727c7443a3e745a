"""Atomic replace and exclusive create: a file is whole, or as it was before.

Power cut: when a function returns, content, mode, owner and name are on the disk. Before that, the path has what it had
before, or all of the new file. The new file is written and synced under a temporary name in the same directory, then
renamed or linked, then the directory is synced. A temporary name that a kill leaves behind is `.NAME.` and eight
characters; `remove_unfinished` removes such files.
Hostile directory: the temporary file is made exclusively under a random name, relative to the open directory, and
owner and mode are set by its descriptor, so that no link leads elsewhere. Whether others can write the directory is
proven only if `trust` is given.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import string
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from warren.files.directory import Directory
from warren.files.replaceable import check_replaceable
from warren.files.trusted_path import Trust, parent_directory

ALPHABET = string.ascii_lowercase + string.digits
RANDOM_CHARACTERS = 8
SET_ID = stat.S_ISUID | stat.S_ISGID  # no file that the product writes has them
Content = bytes | bytearray | memoryview
Owner = tuple[int, int] | None
"""User and group by number; None is whoever this process is, -1 keeps one of them."""


def replace_file(  # noqa: PLR0913, the properties of a file
    path: Path,
    content: Content,
    mode: int,
    *,
    trust: Trust | None,
    owner: Owner = None,
    temporary: str | None = None,
) -> None:
    """Put a file in place; who reads meanwhile has the old or the new content.

    `temporary` is a fixed name to make it under, for a directory where nobody may sweep random names. Raises OSError
    and UntrustedPathError, with `path` as it was.
    """
    with parent_directory(path, trust) as directory:
        _replace(directory, path.name, content, mode, owner, temporary)


def create_file(path: Path, content: Content, mode: int, *, trust: Trust | None, owner: Owner = None) -> None:
    """Make a file whole or not at all, and never in the place of another.

    Raises FileExistsError if there is anything at `path`, also a link that leads nowhere; OSError and
    UntrustedPathError.
    """
    with parent_directory(path, trust) as directory:
        with _unfinished(directory, path.name, content, mode, owner) as made:
            directory.link(made, path.name)
        directory.sync()


def update_file(path: Path, content: Content, mode: int, *, trust: Trust | None) -> None:
    """Replace a file that others read, and keep the owner, group and mode of the one that is there; else use `mode`.

    They are read in the directory into which the new file goes. Raises OSError and UntrustedPathError, with `path` as
    it was; also if it is a link or a mount point.
    """
    owner: Owner = None
    with parent_directory(path, trust) as directory:
        check_replaceable(path)
        with suppress(FileNotFoundError):
            before = directory.status(path.name)
            owner, mode = (before.st_uid, before.st_gid), stat.S_IMODE(before.st_mode) & ~SET_ID
        _replace(directory, path.name, content, mode, owner)


def replace_with_link(path: Path, target: bytes, *, trust: Trust | None, temporary: str, owner: Owner = None) -> None:
    """Put a symbolic link in place. Raises OSError and UntrustedPathError, with `path` as it was."""
    with parent_directory(path, trust) as directory:
        directory.remove(temporary)
        directory.make_link(temporary, target)
        try:
            _chown_link(directory, temporary, owner)
            directory.rename(temporary, path.name)
        except BaseException:
            with suppress(OSError):
                directory.remove(temporary)
            raise
        directory.sync()


def remove_file(path: Path, *, trust: Trust | None) -> bool:
    """Remove a file, on the disk when this returns; return False if there is none.

    Raises OSError and UntrustedPathError.
    """
    try:
        directory = parent_directory(path, trust)
    except FileNotFoundError:
        return False
    with directory:
        is_removed = directory.remove(path.name)
        if is_removed:
            directory.sync()
        return is_removed


def move_file(path: Path, name: str, *, trust: Trust | None) -> None:
    """Rename an entry within its directory, in the place of what is there; on the disk when this returns.

    Raises OSError and UntrustedPathError.
    """
    with parent_directory(path, trust) as directory:
        directory.rename(path.name, name)
        directory.sync()


def link_file(path: Path, name: str, *, trust: Trust | None) -> None:
    """Give a file a second name in its directory; on the disk when this returns.

    Raises FileExistsError, OSError and UntrustedPathError.
    """
    with parent_directory(path, trust) as directory:
        directory.link(path.name, name)
        directory.sync()


def remove_unfinished(path: Path, *, trust: Trust | None) -> None:
    """Remove the temporary files that a killed process left while it wrote `path`.

    Raises OSError and UntrustedPathError.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{{RANDOM_CHARACTERS}}}")
    with parent_directory(path, trust) as directory:
        for name in directory.names():
            if pattern.fullmatch(name) and stat.S_ISREG(directory.status(name).st_mode):
                directory.remove(name)


def _replace(  # noqa: PLR0913, PLR0917, the properties of a file
    directory: Directory, name: str, content: Content, mode: int, owner: Owner, temporary: str | None = None
) -> None:
    if temporary is not None:
        directory.remove(temporary)
    with _unfinished(directory, name, content, mode, owner, temporary) as made:
        directory.rename(made, name)
    directory.sync()


@contextmanager
def _unfinished(  # noqa: PLR0913, PLR0917, the properties of a file
    directory: Directory, name: str, content: Content, mode: int, owner: Owner, temporary: str | None = None
) -> Iterator[str]:
    """Make a file on the disk under a temporary name, which is removed afterwards if it is still there."""
    made, descriptor = _make(directory, name, temporary)
    try:
        try:
            write_whole(descriptor, content)
            _finish(descriptor, mode, owner)
        finally:
            os.close(descriptor)
        yield made
    finally:
        with suppress(FileNotFoundError):
            directory.remove(made)


def _make(directory: Directory, name: str, temporary: str | None) -> tuple[str, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    while temporary is None:
        made = f".{name}.{''.join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))}"
        with suppress(FileExistsError):
            return made, directory.open(made, flags)
    return temporary, directory.open(temporary, flags)


def write_whole(descriptor: int, content: Content) -> None:
    """Write all octets, without a copy of them. Raises OSError."""
    with memoryview(content) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])


def _finish(descriptor: int, mode: int, owner: Owner) -> None:
    if sys.platform != "win32":
        made = os.fstat(descriptor)
        if owner is not None and (owner[0] not in (-1, made.st_uid) or owner[1] not in (-1, made.st_gid)):
            os.fchown(descriptor, *owner)  # before the mode: it takes setuid bits away
        if stat.S_IMODE(made.st_mode) != mode:
            os.fchmod(descriptor, mode)
    os.fsync(descriptor)


def _chown_link(directory: Directory, name: str, owner: Owner) -> None:
    if owner is not None:
        made = directory.status(name)
        if owner[0] not in (-1, made.st_uid) or owner[1] not in (-1, made.st_gid):
            directory.chown(name, *owner)
