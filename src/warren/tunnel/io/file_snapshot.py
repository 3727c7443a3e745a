"""What lies at a path, read so that it can be put back: octets, mode, owner, and whether it is a link."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import assert_never

from warren.errors import HostError
from warren.tunnel.dns_journal import FileState, Kind


def read_state(path: Path) -> FileState:
    """What is there. Raises HostError if it is neither a file nor a link nor nothing."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            kind, content = Kind.LINK, os.fsencode(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            kind, content = Kind.FILE, path.read_bytes()
        else:
            raise HostError(f"{path} is neither a file nor a link", code="host.refused")
    except FileNotFoundError:
        return FileState(Kind.ABSENT)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", code="host.refused", errno=error.errno) from error
    return FileState(kind, content, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def put_state(path: Path, unfinished: Path, state: FileState) -> None:
    """Puts it there, whole and on the disk; whoever reads meanwhile has what was or what comes.

    `unfinished`, in the same directory, is where it is made. Raises OSError, with `path` as it was.
    """
    unfinished.unlink(missing_ok=True)
    try:
        match state.kind:
            case Kind.ABSENT:
                path.unlink(missing_ok=True)
            case Kind.LINK:
                unfinished.symlink_to(os.fsdecode(state.content))
                _give(unfinished, state)
                unfinished.replace(path)
            case Kind.FILE:
                _make(unfinished, state)
                unfinished.replace(path)
            case _:
                assert_never(state.kind)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_in_place(path: Path, content: bytes) -> None:
    """Writes into the file that is there: for one that is a mount point. On the disk when it returns. Raises
    OSError.
    """
    with path.open("wb", buffering=0) as file:
        file.write(content)
        os.fsync(file.fileno())


def _make(path: Path, state: FileState) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:  # noqa: PTH123, from a descriptor
        file.write(state.content)
        _give(path, state)
        path.chmod(state.mode)
        os.fsync(file.fileno())


def _give(path: Path, state: FileState) -> None:
    if sys.platform != "win32":
        made = path.lstat()
        if state.owner not in (-1, made.st_uid) or state.group not in (-1, made.st_gid):
            os.chown(path, state.owner, state.group, follow_symlinks=False)


def make_directory(directory: Path) -> None:
    """Makes it and what is missing above it, for its owner alone. On the disk when it returns. Raises OSError."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700)
        sync_directory(each.parent)


def sync_directory(directory: Path) -> None:
    """What was made, renamed or removed in it is on the disk when this returns. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
