"""Key files: 44 characters of base64 and a newline, as wg(8) writes them, for their owner alone; and password files.

Power cut and hostile directory: as `atomic` for a file that is created. What was read or written is wiped from memory.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from warren._core import PresharedKey, PrivateKey
from warren.errors import KeyFileError, KeyTextError
from warren.files.atomic import create_file
from warren.files.bounded_read import open_for_reading
from warren.files.trusted_path import NAMED_BY_USER, Trust

KEY_CHARACTERS = 44
MAX_BYTES = KEY_CHARACTERS + 2  # a line may end as on Windows
MAX_PASSWORD_BYTES = 255  # RFC 1929, section 2: its length is one byte
MODE = 0o600
BLANKS = b" \t\r\n"
Key = TypeVar("Key", PrivateKey, PresharedKey)
Secret = TypeVar("Secret", PrivateKey, PresharedKey, str)
Owners = Collection[int] | None
"""Users by number to whom a key file may belong; None is everybody."""
Opener = Callable[[Path], int]
OTHERS = stat.S_IRWXG | stat.S_IRWXO
CREDENTIAL = stat.S_IRUSR | stat.S_IRGRP
ROOT = 0


def open_key_file(path: Path) -> int:
    """Open a key file that is no link and return its descriptor. Raises OSError."""
    return open_for_reading(path, trust=NAMED_BY_USER)


def read_private_key(path: Path, owners: Owners = None, opener: Opener = open_key_file) -> PrivateKey:
    """Read a private key, with or without a newline behind it. `opener` opens the file.

    Raises KeyFileError for a file that others can open (with the chmod that mends it), that is a symbolic link, that
    belongs to none of `owners`, or that holds no key.
    """
    return _read(path, PrivateKey.from_base64, "private", owners, opener)


def read_preshared_key(path: Path, owners: Owners = None, opener: Opener = open_key_file) -> PresharedKey:
    """Read a preshared key. Raises KeyFileError as `read_private_key`."""
    return _read(path, PresharedKey.from_base64, "preshared", owners, opener)


def read_password(path: Path, owners: Owners = None, opener: Opener = open_key_file) -> str:
    """Read the password of a proxy: one line of 1 to 255 bytes. Raises KeyFileError as `read_private_key`."""
    return _read(path, _parse_password, "password", owners, opener)


def _parse_password(text: memoryview) -> str:
    octets = bytes(text)
    if not 0 < len(octets) <= MAX_PASSWORD_BYTES or b"\n" in octets or b"\0" in octets:
        problem = f"expected one line of 1 to {MAX_PASSWORD_BYTES} bytes"
        raise KeyTextError(problem, code="key.malformed", hint="write the password into the file, and nothing else")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise KeyTextError("expected UTF-8", code="key.malformed", hint="write the password as text") from None


def check_key_file(path: Path, status: os.stat_result, owners: Owners = None) -> None:
    """Verify the type, mode and owner of a key file by its state (H-70). Raises KeyFileError."""
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is not a regular file", code="key_file.invalid")
    if status.st_mode & OTHERS and not is_credential(path, status):
        problem = f"{path} is accessible to other users (mode {stat.S_IMODE(status.st_mode):04o}), expected 0600"
        hint = f"chmod 600 {path}; if somebody may have read it, make a new key"
        raise KeyFileError(problem, code="key_file.permissions", hint=hint)
    if owners is not None and status.st_uid not in owners:
        raise KeyFileError(
            f"{path} is owned by an untrusted user (uid {status.st_uid})", code="key_file.untrusted_owner"
        )


def is_credential(path: Path, status: os.stat_result, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the service manager gave this file to this process (systemd.exec(5), LoadCredential=; H-80).

    A credential stays root's, and an access list lets the unit's user read it, whose mask shows as the group's bit. The
    mode of the directory keeps everybody else out.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory or path.parent != Path(directory) or status.st_uid != ROOT:
        return False
    above = path.parent.stat()
    return stat.S_IMODE(status.st_mode) & ~CREDENTIAL == 0 and above.st_uid == ROOT and not above.st_mode & stat.S_IRWXO


def write_private_key(path: Path, key: PrivateKey, *, trust: Trust | None) -> None:
    """Make a private key file with mode 0600.

    Raises KeyFileError if there is anything at `path` already: a key that is overwritten is lost.
    """
    _write(path, key, trust)


def write_preshared_key(path: Path, key: PresharedKey, *, trust: Trust | None) -> None:
    """Make a preshared key file with mode 0600. Raises KeyFileError as `write_private_key`."""
    _write(path, key, trust)


def _read(path: Path, parse: Callable[[memoryview], Secret], kind: str, owners: Owners, opener: Opener) -> Secret:
    buffer = bytearray(max(MAX_BYTES, MAX_PASSWORD_BYTES + 2) + 1)
    try:
        with open(opener(path), "rb", buffering=0) as file:  # noqa: PTH123, from a descriptor
            check_key_file(path, os.fstat(file.fileno()), owners)
            length = file.readinto(buffer)
        while length and buffer[length - 1] in BLANKS:
            length -= 1
        with memoryview(buffer) as whole, whole[:length] as key:
            return parse(key)
    except KeyTextError as error:
        noun = kind if kind == "password" else f"{kind} key"
        raise KeyFileError(f"{path} holds no {noun}: {error}", code="key_file.invalid") from error
    except PermissionError as error:
        hint = f"read it as its owner, or: chown {_own_user()} {path}"
        problem = f"{path}: {error.strerror}"
        raise KeyFileError(problem, code="key_file.unusable", errno=error.errno, hint=hint) from error
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        buffer[:] = bytes(len(buffer))


def _write(path: Path, key: PrivateKey | PresharedKey, trust: Trust | None) -> None:
    line = bytearray(KEY_CHARACTERS + 1)
    line[KEY_CHARACTERS:] = b"\n"
    try:
        with memoryview(line) as whole, whole[:KEY_CHARACTERS] as text:
            key.write_base64(text)
        create_file(path, line, MODE, trust=trust)
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        line[:] = bytes(len(line))


def _unusable(path: Path, error: OSError) -> KeyFileError:
    match error:
        case FileExistsError():
            return KeyFileError(f"{path} already exists", code="key_file.exists", errno=error.errno)
        case PermissionError():  # whatever is there, a look at it would be refused as well
            return KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno)
        case _ if path.is_symlink():
            problem = f"{path} is a symbolic link"
            hint = f"name its target: {path.resolve()}"
            return KeyFileError(problem, code="key_file.symlink", errno=error.errno, hint=hint)
        case _:
            return KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno)


def _own_user() -> str:
    if sys.platform != "win32":
        return str(os.geteuid())
    else:  # noqa: RET505, mypy sees by it that Windows comes here
        return "USER"
