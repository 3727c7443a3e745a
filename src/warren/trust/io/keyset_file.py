"""Files of private keys: mode 0600, made whole or not at all, never overwritten."""

from __future__ import annotations

import secrets
from pathlib import Path

from warren.errors import KeyFileError, TrustError
from warren.files.atomic import Owner, create_file
from warren.files.bounded_read import open_for_reading, read_descriptor
from warren.files.key_file import Owners, check_key_file
from warren.files.trusted_path import NAMED_BY_USER, Trust
from warren.jws import KEY_BYTES
from warren.trust.keyset import MAX_BYTES, KeySet, encode_keyset, parse_keyset

MODE = 0o600


def make_keyset(path: Path, name: str, *, trust: Trust | None = NAMED_BY_USER, sealing: bool = True) -> KeySet:
    """Make new keys in a new file, on the disk when this returns.

    Raises KeyFileError if there is anything at `path`: a key that is overwritten is lost.
    """
    octets = encode_keyset(name, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES) if sealing else None)
    create_keyset(path, octets, trust=trust)
    return parse_keyset(octets)


def create_keyset(path: Path, octets: bytes, *, trust: Trust | None, owner: Owner = None) -> None:
    """Make a file of encoded keys, for the user and group `owner`. Raises KeyFileError as `make_keyset`."""
    try:
        create_file(path, octets, MODE, trust=trust, owner=owner)
    except FileExistsError as error:
        raise KeyFileError(f"{path} already exists", code="key_file.exists", errno=error.errno) from error
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error


def read_keyset(path: Path, owners: Owners = None, *, trust: Trust | None = NAMED_BY_USER) -> KeySet:
    """Return the keys in a file.

    Raises KeyFileError for one that others can open, that is a link, or that belongs to none of `owners`, and
    TrustError for one that holds no keys.
    """
    octets = read_key_octets(path, owners, trust=trust)
    try:
        return parse_keyset(octets)
    except ValueError as error:
        raise TrustError(f"{path} holds no keys: {error}", code="trust.invalid_key") from None


def read_key_octets(path: Path, owners: Owners = None, *, trust: Trust | None) -> bytes:
    """Return the content of a file of private keys. Raises KeyFileError as `read_keyset`."""
    try:
        octets, status = read_descriptor(open_for_reading(path, trust=trust), MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error
    check_key_file(path, status, owners)
    return octets
