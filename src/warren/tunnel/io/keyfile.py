"""Carries out the steps of a key rotation. What a step has done is on the disk when it returns."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path
from typing import assert_never

from warren._core import PrivateKey, PublicKey
from warren.errors import KeyFileError
from warren.keys import Owners, read_private_key, write_private_key
from warren.tunnel.io.file_snapshot import sync_directory
from warren.tunnel.rotation import FileStep, KeyFiles, Step, plan_rotation

REFUSALS = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


def next_path(path: Path) -> Path:
    """Where the prepared key of a key file lies."""
    return path.with_name(f"{path.name}.next")


def previous_path(path: Path) -> Path:
    """Where the key lies that was in use before."""
    return path.with_name(f"{path.name}.previous")


def read_key_files(path: Path, owners: Owners = None) -> KeyFiles:
    """What is there. Raises KeyFileError if `path`, or what lies beside it, cannot be used."""
    beside = (_public_key_if_there(of(path), owners) for of in (next_path, previous_path))
    return KeyFiles(_public_key(path, owners), *beside)


def turn(path: Path, step: Step, owners: Owners = None) -> KeyFiles:
    """`rotate`, or for that step `recover`."""
    try:
        return recover(path, owners) if step is Step.RECOVER else rotate(path, step, owners)
    except OSError as error:
        problem = f"{path}: {error.strerror}"
        raise KeyFileError(problem, code="key_file.unusable", errno=error.errno) from error


def rotate(path: Path, step: Step, owners: Owners = None) -> KeyFiles:
    """Goes one step, and says what is there then. `owners` are those to whom a key file may belong.

    Raises StateError where it cannot be, and KeyFileError for a file that cannot be used, or that nobody may write;
    then `path` is what it was.
    """
    for file_step in plan_rotation(step, read_key_files(path, owners)):
        _check_writable(path)
        try:
            _carry_out(file_step, path)
        except KeyFileError as error:
            raise _refusal(path, error.errno) or error from error
        except OSError as error:
            problem = f"{path}: {error.strerror}"
            fallback = KeyFileError(problem, code="key_file.unusable", errno=error.errno)
            raise _refusal(path, error.errno) or fallback from error
    # What a step found done may have been done by a process that was killed before its directory was on the disk.
    sync_directory(path.parent)
    return read_key_files(path, owners)


def recover(path: Path, owners: Owners = None) -> KeyFiles:
    """After a start: removes what a killed process left half done, and says what is there. Raises KeyFileError."""
    if not path.exists():
        return read_key_files(path, owners)  # says why
    for left in _unfinished(path):
        left.unlink(missing_ok=True)
    return rotate(path, Step.RECOVER, owners)


def _unfinished(path: Path) -> list[Path]:
    """Files with a random name in which a new key was being written."""
    pattern = re.compile(rf"\.{re.escape(next_path(path).name)}\.[a-z0-9_]{{8}}")
    return [each for each in path.parent.iterdir() if pattern.fullmatch(each.name) and each.is_file()]


def _carry_out(step: FileStep, path: Path) -> None:
    match step:
        case FileStep.MAKE_NEXT:
            write_private_key(next_path(path), PrivateKey.generate())
            _give_to_owner_of(path, next_path(path))
        case FileStep.DROP_NEXT:
            next_path(path).unlink()
        case FileStep.KEEP_PREVIOUS:
            os.link(path, previous_path(path))
        case FileStep.SWITCH:
            _give_to_owner_of(path, next_path(path))
            next_path(path).replace(path)
        case FileStep.GO_BACK:
            previous_path(path).replace(path)
        case FileStep.DROP_PREVIOUS:
            previous_path(path).unlink()
        case _:
            assert_never(step)
    sync_directory(path.parent)


def _give_to_owner_of(path: Path, made: Path) -> None:
    """Whoever could read the old key must be able to read the new one, or the next start would fail."""
    owner, maker = path.stat(), made.stat()
    if sys.platform != "win32" and (owner.st_uid, owner.st_gid) != (maker.st_uid, maker.st_gid):
        try:
            os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)
        except PermissionError:
            # A group that its owner is not in can read neither of them.
            if owner.st_uid != maker.st_uid:
                raise


def _check_writable(path: Path) -> None:
    """The superuser may write a file of mode 0400, but whoever made it so meant that nobody does."""
    if not path.stat().st_mode & stat.S_IWUSR:
        problem = f"{path} is read-only (mode {stat.S_IMODE(path.stat().st_mode):04o})"
        raise KeyFileError(problem, code="key_file.read_only", hint=f"chmod 600 {path}")


def _refusal(path: Path, number: int | None) -> KeyFileError | None:
    if number not in REFUSALS:
        return None
    problem = f"{path.parent} is read-only: no key can be changed there"
    return KeyFileError(problem, code="key_file.read_only", errno=number)


def _public_key(path: Path, owners: Owners) -> PublicKey:
    return read_private_key(path, owners).public_key()


def _public_key_if_there(path: Path, owners: Owners) -> PublicKey | None:
    return _public_key(path, owners) if os.path.lexists(path) else None
