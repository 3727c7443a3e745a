"""The key that checkpoints are verified with, from a file or as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren.errors import InputError
from warren.jws import VerifyingKey
from warren.strictjson import parse_object


def read_verifying_keys(given: str) -> Mapping[str, VerifyingKey]:
    """By `kid`. What is given is the key's `x`, or a file with that, with a JWK, or with what `warren identity show`
    prints. Raises InputError.
    """
    path = Path(given)
    try:
        key = VerifyingKey.from_x(_x_of(path.read_bytes() if path.exists() else given.encode()))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", code="audit.unreadable", errno=error.errno) from error
    except ValueError as error:
        raise InputError(f"{given}: no public key of Ed25519: {error}", code="audit.invalid_key") from error
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
    raise ValueError("it is neither a JWK nor a node's identity")
