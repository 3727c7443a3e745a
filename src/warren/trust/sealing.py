"""Sealed secrets: HPKE (RFC 9180) in base mode, one message per ciphertext.

The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. The text is the encapsulated key (32 octets)
and the ciphertext with its tag, in base64url without padding. `info` binds the ciphertext to one command and field, so
that it cannot be moved to another. There is no associated data.
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
    """An X25519 private key of 32 octets, which no repr shows."""

    def __init__(self, octets: bytes) -> None:
        if len(octets) != KEY_BYTES:
            raise ValueError(f"an X25519 private key has {KEY_BYTES} octets, not {len(octets)}")
        # Imported late: a node that runs no commands does not need it.
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

        self._key = X25519PrivateKey.from_private_bytes(octets)
        self.public = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SealingKey(public={to_base64url(self.public)!r})"

    def unseal(self, text: str, info: bytes) -> bytes:
        """Return the secret. Raises ValueError if it was sealed to another key or purpose, or was changed."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        octets = from_base64url(text)
        try:
            return _suite().decrypt(octets, self._key, info=info)
        except (InvalidTag, ValueError):
            raise ValueError("not sealed to this key for this purpose") from None


def seal(secret: bytes, public: bytes, info: bytes) -> str:
    """Seal a secret to an X25519 public key of 32 octets. Every call returns a different text."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415

    return to_base64url(_suite().encrypt(secret, X25519PublicKey.from_public_bytes(public), info=info))


def purpose(kind: str, corr_id: str, field: str) -> bytes:
    """Return the `info` of a secret in a command; `kind` is `arg` or `data`. Raises ValueError for an invalid part."""
    if not all(PART.fullmatch(part) for part in (kind, corr_id, field)):
        raise ValueError("invalid sealing purpose: a part is empty or contains a blank")
    return f"warren-seal-v1 {kind} {corr_id} {field}".encode()


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
