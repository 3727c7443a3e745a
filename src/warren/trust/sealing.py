"""Sealed secrets: HPKE (RFC 9180) in base mode, one message per ciphertext.

The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. The text is the encapsulated key (32 octets)
and the ciphertext with its tag, in base64url without padding. `info` binds the ciphertext to one field of one command
of one operator for one node, so that it cannot be moved to another. There is no associated data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warren.jws import from_base64url, to_base64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

KEY_BYTES = 32
OVERHEAD_BYTES = 32 + 16  # encapsulated key and tag
LABEL = "warren-seal-v2"
MAX_PART_BYTES = 0xFFFF


@dataclass(frozen=True, slots=True)
class SecretScope:
    """The command that a secret belongs to."""

    cluster: str
    node: str
    verb: str
    operator: str
    """The operator who signed the intent."""
    corr_id: str

    def parts(self) -> tuple[str, ...]:
        """Return its parts in the order of `info`."""
        return self.cluster, self.node, self.verb, self.operator, self.corr_id


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


def purpose(kind: str, scope: SecretScope, name: str) -> bytes:
    """Return the `info` of a secret in a command; `kind` is `arg` or `data`, `name` the field.

    Raises ValueError for an empty part: it would be bound to nothing.
    """
    parts = [part.encode() for part in (LABEL, kind, *scope.parts(), name)]
    if not all(0 < len(part) <= MAX_PART_BYTES for part in parts):
        raise ValueError("invalid sealing purpose: a part is empty or too long")
    return b"".join(len(part).to_bytes(2) + part for part in parts)


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
