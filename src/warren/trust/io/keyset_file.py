"""Files of private keys: mode 0600, made whole or not at all, never overwritten."""

from __future__ import annotations

import secrets
from pathlib import Path

from warren.errors import KeyFileError, TrustError
from warren.files.atomic import create_file
from warren.files.bounded_read import open_for_reading, read_descriptor
from warren.files.key_file import Owners, check_key_file
from warren.jws import KEY_BYTES
from warren.trust.keyset import MAX_BYTES, KeySet, encode_keyset, parse_keyset

MODE = 0o600


def make_keyset(path: Path, name: str, *, sealing: bool = True, owner: tuple[int, int] | None = None) -> KeySet:
    """Make new keys in a new file, on the disk when this returns. `owner` is the user and group of the file.

    Raises KeyFileError if there is anything at `path`: a key that is overwritten is lost.
    """
    octets = encode_keyset(name, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES) if sealing else None)
    try:
        create_file(path, octets, MODE, owner=owner)
    except FileExistsError as error:
        raise KeyFileError(f"{path} already exists", code="key_file.exists", errno=error.errno) from error
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error
    return parse_keyset(octets)


def read_keyset(path: Path, owners: Owners = None) -> KeySet:
    """Return the keys in a file.

    Raises KeyFileError for one that others can open, that is a link, or that belongs to none of `owners`, and
    TrustError for one that holds no keys.
    """
    try:
        octets, status = read_descriptor(open_for_reading(path), MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error
    check_key_file(path, status, owners)
    try:
        return parse_keyset(octets)
    except ValueError as error:
        raise TrustError(f"{path} holds no keys: {error}", code="trust.invalid_key") from None
