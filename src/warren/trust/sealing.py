"""Secrets that one key alone can open: HPKE (RFC 9180), base mode, one message a ciphertext.

The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. The text is base64url without padding of the
encapsulated key (32 octets) and the ciphertext with its tag. `info` says what it is for, so that no ciphertext can be
taken from one command or field and put into another; there is no associated data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from warren.jws import from_base64url, to_base64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

KEY_BYTES = 32
OVERHEAD_BYTES = 32 + 16  # encapsulated key and tag
PART = re.compile(r"[A-Za-z0-9._:@-]+")


class SealingKey:
    """An X25519 private key: 32 octets, which no repr shows."""

    def __init__(self, octets: bytes) -> None:
        if len(octets) != KEY_BYTES:
            raise ValueError(f"an X25519 private key has {KEY_BYTES} octets, not {len(octets)}")
        # Imported late: a node that runs no commands needs neither.
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

        self._key = X25519PrivateKey.from_private_bytes(octets)
        self.public = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SealingKey(public={to_base64url(self.public)!r})"

    def unseal(self, text: str, info: bytes) -> bytes:
        """The secret. Raises ValueError if it was sealed to another key or for another purpose, or was changed."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        octets = from_base64url(text)
        try:
            return _suite().decrypt(octets, self._key, info=info)
        except (InvalidTag, ValueError):
            raise ValueError("is not sealed to this key for this purpose") from None


def seal(secret: bytes, public: bytes, info: bytes) -> str:
    """Sealed to the X25519 public key of these 32 octets; another text each time."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415

    return to_base64url(_suite().encrypt(secret, X25519PublicKey.from_public_bytes(public), info=info))


def purpose(kind: str, corr_id: str, field: str) -> bytes:
    """`info` of a secret in a command: `kind` is `arg` or `data`. Raises ValueError for a part with a blank in it."""
    if not all(PART.fullmatch(part) for part in (kind, corr_id, field)):
        raise ValueError("a part of a sealing purpose has a blank, or nothing, in it")
    return f"warren-seal-v1 {kind} {corr_id} {field}".encode()


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
