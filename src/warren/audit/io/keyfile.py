"""The public key that verifies checkpoints, from a file or an argument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren.errors import InputError
from warren.files.bounded_read import read_named
from warren.jws import VerifyingKey
from warren.strictjson import parse_object

MAX_BYTES = 65_536  # a public key has 43 characters, the longest output with one some hundred


def read_verifying_keys(given: str) -> Mapping[str, VerifyingKey]:
    """Return the key by its `kid`.

    `given` is the key's `x`, or a file with that, with a JWK, or with the output of `warren identity show`.

    Raises:
        InputError: the file cannot be read, or is not a public key.
    """
    path = Path(given)
    try:
        key = VerifyingKey.from_x(_x_of(read_named(path, MAX_BYTES) if path.exists() else given.encode()))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", code="audit.unreadable", errno=error.errno) from error
    except ValueError as error:
        raise InputError(f"{given}: invalid Ed25519 public key: {error}", code="audit.invalid_key") from error
    return {key.kid: key}


def _x_of(octets: bytes) -> str:
    text = octets.decode("ascii").strip()
    if not text.startswith("{"):
        return text
    match parse_object(octets):
        case {"signing": str(x)}:
            return x
        case {"kty": "OKP", "crv": "Ed25519", "x": str(x)}:
            return x
    raise ValueError("expected a JWK or the output of `warren identity show`")
