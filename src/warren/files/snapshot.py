"""Snapshots of a path: content, mode, owner, and whether it is a link, taken and put back.

Power cut and hostile directory: as `atomic` for `restore_snapshot`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import assert_never

from warren.errors import HostError
from warren.files.atomic import remove_file, replace_file, replace_with_link
from warren.files.file_state import FileState, Kind
from warren.files.trusted_path import Trust


def take_snapshot(path: Path) -> FileState:
    """Return what lies at a path. Raises HostError if it is neither a file nor a link nor nothing."""
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


def restore_snapshot(path: Path, temporary: str, state: FileState, *, trust: Trust | None = None) -> None:
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
