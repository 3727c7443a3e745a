"""Perform the steps of a key rotation on key files (H-37).

Power cut: what a step has done is on the disk when it returns; each step changes one name.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import assert_never

from warren._core import PrivateKey, PublicKey
from warren.errors import KeyFileError
from warren.files.atomic import link_file, move_file, remove_file, remove_unfinished
from warren.files.key_file import Owners, read_private_key, write_private_key
from warren.files.make_directory import sync_directory
from warren.files.replaceable import is_mount_point
from warren.files.trusted_path import parent_directory, process_trust
from warren.tunnel.rotation import FileStep, KeyFiles, Step, plan_rotation

REFUSALS = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


def next_path(path: Path) -> Path:
    """Return where the prepared key of a key file lies."""
    return path.with_name(f"{path.name}.next")


def previous_path(path: Path) -> Path:
    """Return where the key lies that was in use before."""
    return path.with_name(f"{path.name}.previous")


def read_key_files(path: Path, owners: Owners = None) -> KeyFiles:
    """Return the public keys of `path` and of the files beside it. Raises KeyFileError if one cannot be used."""
    beside = (_public_key_if_there(of(path), owners) for of in (next_path, previous_path))
    return KeyFiles(_public_key(path, owners), *beside)


def rotate_key(path: Path, step: Step, owners: Owners = None) -> KeyFiles:
    """Perform one step, `recover` for Step.RECOVER and else `rotate`. Raises StateError and KeyFileError."""
    try:
        return recover(path, owners) if step is Step.RECOVER else rotate(path, step, owners)
    except OSError as error:
        problem = f"{path}: {error.strerror}"
        raise KeyFileError(problem, code="key_file.unusable", errno=error.errno) from error


def rotate(path: Path, step: Step, owners: Owners = None) -> KeyFiles:
    """Perform one step and return the files after it. `owners` are those to whom a key file may belong.

    Raises StateError if the step does not fit the files, and KeyFileError for a file that cannot be used or written;
    then `path` is what it was.
    """
    for file_step in plan_rotation(step, read_key_files(path, owners)):
        _check_writable(path)
        _check_mount(path)
        try:
            _perform(file_step, path)
        except KeyFileError as error:
            raise _refusal(path, error.errno) or error from error
        except OSError as error:
            problem = f"{path}: {error.strerror}"
            fallback = KeyFileError(problem, code="key_file.unusable", errno=error.errno)
            raise _refusal(path, error.errno) or fallback from error
    # A process that was killed may have changed a name and not synced the directory.
    sync_directory(path.parent, trust=process_trust())
    return read_key_files(path, owners)


def recover(path: Path, owners: Owners = None) -> KeyFiles:
    """Remove what a killed process left unfinished, and return the files. Raises KeyFileError and OSError."""
    if not path.exists():
        return read_key_files(path, owners)  # which raises the error that names the reason
    remove_unfinished(next_path(path), trust=process_trust())
    return rotate(path, Step.RECOVER, owners)


def _perform(step: FileStep, path: Path) -> None:
    match step:
        case FileStep.CREATE_NEXT:
            write_private_key(next_path(path), PrivateKey.generate(), trust=process_trust())
            _copy_owner(path, next_path(path))
        case FileStep.REMOVE_NEXT:
            remove_file(next_path(path), trust=process_trust())
        case FileStep.LINK_PREVIOUS:
            link_file(path, previous_path(path).name, trust=process_trust())
        case FileStep.SWITCH:
            _copy_owner(path, next_path(path))
            move_file(next_path(path), path.name, trust=process_trust())
        case FileStep.RESTORE_PREVIOUS:
            move_file(previous_path(path), path.name, trust=process_trust())
        case FileStep.REMOVE_PREVIOUS:
            remove_file(previous_path(path), trust=process_trust())
        case _:
            assert_never(step)


def _copy_owner(path: Path, made: Path) -> None:
    """Give the new key the owner of the old one: who could read the old must be able to read the new."""
    owner, maker = path.stat(), made.stat()
    if (owner.st_uid, owner.st_gid) != (maker.st_uid, maker.st_gid):
        with parent_directory(made, process_trust()) as directory:
            try:
                directory.chown(made.name, owner.st_uid, owner.st_gid)
                directory.sync()
            except PermissionError:
                # A group that its owner is not in can read neither of them.
                if owner.st_uid != maker.st_uid:
                    raise


def _check_writable(path: Path) -> None:
    """Refuse a key of mode 0400: root could write it all the same, but its owner meant it to be read-only."""
    if not path.stat().st_mode & stat.S_IWUSR:
        problem = f"{path} is read-only (mode {stat.S_IMODE(path.stat().st_mode):04o})"
        raise KeyFileError(problem, code="key_file.read_only", hint=f"chmod 600 {path}")


def _check_mount(path: Path) -> None:
    """Refuse a file that is a mount of its own, as one secret of a container, before anything is made beside it."""
    if is_mount_point(path):
        problem = f"{path} is a mount point, so no other key can be put in its place"
        raise KeyFileError(problem, code="key_file.mount_point", errno=errno.EBUSY)


def _refusal(path: Path, number: int | None) -> KeyFileError | None:
    if number not in REFUSALS:
        return None
    return KeyFileError(
        f"{path.parent} is read-only: no key can be changed there", code="key_file.read_only", errno=number
    )


def _public_key(path: Path, owners: Owners) -> PublicKey:
    return read_private_key(path, owners).public_key()


def _public_key_if_there(path: Path, owners: Owners) -> PublicKey | None:
    return _public_key(path, owners) if os.path.lexists(path) else None
