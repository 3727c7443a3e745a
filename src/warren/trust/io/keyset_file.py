"""Files of private keys: mode 0600, made whole or not at all, never written over."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from warren.errors import KeyFileError, TrustError
from warren.files.atomic import sync_directory
from warren.jws import KEY_BYTES
from warren.keys import OPEN_FLAGS, Owners, check_key_file
from warren.trust.keyset import MAX_BYTES, KeySet, encode_keyset, parse_keyset


def make_keyset(path: Path, name: str, *, sealing: bool = True, owner: tuple[int, int] | None = None) -> KeySet:
    """New keys in a new file, on the disk when this returns; `owner` is the user and group that may read it.

    Raises KeyFileError if there is anything at `path`: a key that is written over is lost.
    """
    octets = encode_keyset(name, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES) if sealing else None)
    try:
        _write(path, octets, owner)
    except FileExistsError as error:
        raise KeyFileError(f"{path} is there already", code="key_file.exists", errno=error.errno) from error
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error
    return parse_keyset(octets)


def read_keyset(path: Path, owners: Owners = None) -> KeySet:
    """What is in the file.

    Raises KeyFileError for one that others can open, that is a link, or that belongs to none of `owners`, and
    TrustError for one that holds no keys.
    """
    try:
        with open(os.open(path, OPEN_FLAGS), "rb") as file:  # noqa: PTH123, from a descriptor
            check_key_file(path, os.fstat(file.fileno()), owners)
            octets = file.read(MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error
    try:
        return parse_keyset(octets)
    except ValueError as error:
        raise TrustError(f"{path} holds no keys: {error}", code="trust.invalid_key") from None


def _write(path: Path, octets: bytes, owner: tuple[int, int] | None) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123, from a descriptor
            file.write(octets)
            file.flush()
            if owner is not None and sys.platform != "win32":
                os.fchown(descriptor, *owner)
            os.fsync(descriptor)
        os.link(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
    sync_directory(path.parent)
