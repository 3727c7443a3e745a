"""Snapshots of a path: content, mode, owner, and whether it is a link, taken and put back.

Power cut and hostile directory: as `atomic` for `restore_snapshot`.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import assert_never

from warren.errors import HostError
from warren.files.atomic import remove_file, replace_file, replace_with_link
from warren.files.bounded_read import read_descriptor
from warren.files.directory import READ_FLAGS, Directory
from warren.files.file_state import MAX_FILE_BYTES, FileState, Kind
from warren.files.trusted_path import Trust, parent_directory


def take_snapshot(path: Path, *, trust: Trust | None) -> FileState:
    """Return what lies at a path.

    Raises HostError if it is neither a file nor a link nor nothing, if it has more than `MAX_FILE_BYTES`, or if the
    path is not trusted.
    """
    try:
        with parent_directory(path, trust) as directory:
            return _state(directory, path)
    except FileNotFoundError:
        return FileState(Kind.ABSENT)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", code="host.refused", errno=error.errno) from error


def _state(directory: Directory, path: Path) -> FileState:
    status = directory.status(path.name)
    if stat.S_ISLNK(status.st_mode):
        kind, content = Kind.LINK, directory.read_link(path.name)
    elif stat.S_ISREG(status.st_mode):
        # What is opened may be another file by now: its own state counts.
        content, status = read_descriptor(directory.open(path.name, READ_FLAGS), MAX_FILE_BYTES + 1)
        kind = Kind.FILE
        if len(content) > MAX_FILE_BYTES:
            raise HostError(f"{path} has more than {MAX_FILE_BYTES} octets", code="host.refused")
    else:
        raise HostError(f"{path} is neither a file nor a link", code="host.refused")
    return FileState(kind, content, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def restore_snapshot(path: Path, temporary: str, state: FileState, *, trust: Trust | None) -> None:
    """Put a state in place, whole and on the disk; who reads meanwhile has the old or the new one.

    `temporary` is the name that it is made under, in the same directory. Raises OSError and UntrustedPathError, with
    `path` as it was.
    """
    owner = state.owner, state.group
    match state.kind:
        case Kind.ABSENT:
            remove_file(path, trust=trust)
        case Kind.LINK:
            replace_with_link(path, state.content, owner=owner, trust=trust, temporary=temporary)
        case Kind.FILE:
            replace_file(path, state.content, state.mode, owner=owner, trust=trust, temporary=temporary)
        case _:
            assert_never(state.kind)
