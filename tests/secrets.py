"""A key in every form that a program might write it in."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from warren._core import PresharedKey, PrivateKey


def octets(key: PrivateKey | PresharedKey) -> bytes:
    """The 32 of a key."""
    return base64.b64decode(key.to_base64())


def forms(secrets: Mapping[str, bytes]) -> dict[str, bytes]:
    """By the name of the secret and the form. Texts without their ends, which a cut could take."""
    found: dict[str, bytes] = {}
    for name, secret in secrets.items():
        found[f"{name}, raw"] = secret
        found[f"{name}, hex"] = secret.hex().encode()
        found[f"{name}, HEX"] = secret.hex().upper().encode()
        found[f"{name}, base64"] = base64.b64encode(secret).rstrip(b"=")[:-1]
        found[f"{name}, base64 for URLs"] = base64.urlsafe_b64encode(secret).rstrip(b"=")[:-1]
    return found
