"""Keys in files: 44 characters of base64 and a newline, as wg(8) writes them, for their owner alone."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TypeVar

from warren._core import PresharedKey, PrivateKey
from warren.errors import KeyFileError, KeyTextError

KEY_CHARACTERS = 44
MAX_BYTES = KEY_CHARACTERS + 2  # a line may end as on Windows
BLANKS = b" \t\r\n"
Key = TypeVar("Key", PrivateKey, PresharedKey)
Owners = Collection[int] | None
"""Users by number to whom a key file may belong; None is everybody."""
Opener = Callable[[Path], int]
OTHERS = stat.S_IRWXG | stat.S_IRWXO
CREDENTIAL = stat.S_IRUSR | stat.S_IRGRP
ROOT = 0
# No link that leads elsewhere, and no wait for the far end of a pipe. Windows has neither flag.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_key_file(path: Path) -> int:
    """A descriptor to read it by. Raises OSError."""
    return os.open(path, OPEN_FLAGS)


def read_private_key(path: Path, owners: Owners = None, opener: Opener = open_key_file) -> PrivateKey:
    """Reads a key file, with or without its newline. What was read is wiped. `opener` is who opens it.

    Raises KeyFileError for a file that others can open (it names the chmod that mends it), that is a symbolic link,
    that belongs to none of `owners`, or that holds no key.
    """
    return _read(path, PrivateKey.from_base64, "private", owners, opener)


def read_preshared_key(path: Path, owners: Owners = None, opener: Opener = open_key_file) -> PresharedKey:
    """The same for a preshared key, and as strict."""
    return _read(path, PresharedKey.from_base64, "preshared", owners, opener)


def _read(path: Path, parse: Callable[[memoryview], Key], kind: str, owners: Owners, opener: Opener) -> Key:
    buffer = bytearray(MAX_BYTES + 1)
    try:
        with open(opener(path), "rb", buffering=0) as file:  # noqa: PTH123, from a descriptor
            check_key_file(path, os.fstat(file.fileno()), owners)
            length = file.readinto(buffer)
        while length and buffer[length - 1] in BLANKS:
            length -= 1
        with memoryview(buffer) as whole, whole[:length] as key:
            return parse(key)
    except KeyTextError as error:
        raise KeyFileError(f"{path} holds no {kind} key: {error}", code="key_file.invalid") from error
    except PermissionError as error:
        hint = f"read it as its owner, or: chown {_own_user()} {path}"
        problem = f"{path}: {error.strerror}"
        raise KeyFileError(problem, code="key_file.unusable", errno=error.errno, hint=hint) from error
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        buffer[:] = bytes(len(buffer))


def check_key_file(path: Path, status: os.stat_result, owners: Owners = None) -> None:
    """Raises KeyFileError if a file of this state is no key file, or not as closed as one must be (H-70)."""
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is not a regular file", code="key_file.invalid")
    if status.st_mode & OTHERS and not is_credential(path, status):
        problem = f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}), expected 0600"
        hint = f"chmod 600 {path}; if somebody may have read it, make a new key"
        raise KeyFileError(problem, code="key_file.permissions", hint=hint)
    if owners is not None and status.st_uid not in owners:
        raise KeyFileError(
            f"{path} belongs to the user {status.st_uid}, who could change it", code="key_file.untrusted_owner"
        )


def is_credential(path: Path, status: os.stat_result, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the service manager has handed this file to this process alone (systemd.exec(5), LoadCredential=; H-80).

    It stays root's, and an access list lets the unit's user read it, whose mask shows as the group's bit. Who else may
    is said by the directory, which lets nobody else in.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory or path.parent != Path(directory) or status.st_uid != ROOT:
        return False
    above = path.parent.stat()
    return stat.S_IMODE(status.st_mode) & ~CREDENTIAL == 0 and above.st_uid == ROOT and not above.st_mode & stat.S_IRWXO


def write_private_key(path: Path, key: PrivateKey) -> None:
    """Makes a key file with mode 0600: whole, on the disk when this returns, or not at all.

    Raises KeyFileError if there is anything at `path` already: a key that is written over is lost.
    """
    _write(path, key)


def write_preshared_key(path: Path, key: PresharedKey) -> None:
    """The same for a preshared key."""
    _write(path, key)


def _write(path: Path, key: PrivateKey | PresharedKey) -> None:
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123, from a descriptor
                _write_line(file, key)
                os.fsync(file.fileno())
            os.link(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
        _sync_directory(path.parent)
    except OSError as error:
        raise _unusable(path, error) from error


def _write_line(file: FileIO, key: PrivateKey | PresharedKey) -> None:
    """Without a copy that stays: what was written is wiped."""
    line = bytearray(KEY_CHARACTERS + 1)
    line[KEY_CHARACTERS:] = b"\n"
    try:
        with memoryview(line) as whole, whole[:KEY_CHARACTERS] as room:
            key.write_base64(room)
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        line[:] = bytes(len(line))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: OSError) -> KeyFileError:
    match error:
        case FileExistsError():
            return KeyFileError(f"{path} is there already", code="key_file.exists", errno=error.errno)
        case PermissionError():  # what it is would be refused as well
            return KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno)
        case _ if path.is_symlink():
            problem = f"{path} is a symbolic link"
            return KeyFileError(
                problem, code="key_file.symlink", errno=error.errno, hint=f"name its target: {path.resolve()}"
            )
        case _:
            return KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno)


def _own_user() -> str:
    if sys.platform != "win32":
        return str(os.geteuid())
    else:  # noqa: RET505, mypy sees by it that Windows comes here
        return "USER"
