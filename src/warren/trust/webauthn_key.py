"""An operator's WebAuthn credential in a trust bundle: how it signs, and for which origins.

Only its public key and its scope are here. A node verifies the origin and the RP ID that the authenticator signed
against this entry (docs/protocol/webauthn.md).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.jws import VerifyingKey, from_base64url, to_base64url
from warren.shapes import Shape, array, choice, flag, record, text

KEY_METHOD = "key"
LOCAL_METHOD, HOSTED_METHOD = "webauthn_local", "webauthn_hosted"
SIGNING_METHODS = (KEY_METHOD, LOCAL_METHOD, HOSTED_METHOD)
DEFAULT_SIGNING_METHODS = frozenset({KEY_METHOD, LOCAL_METHOD})
"""The methods that count for a verb that the bundle's `signing_methods` does not list."""
ED25519, ES256 = "Ed25519", "ES256"
COORDINATE_BYTES = 32
POINT_BYTES = 1 + 2 * COORDINATE_BYTES  # 0x04, X and Y (SEC 1, section 2.3.3)
MAX_ORIGINS = 8
LOCAL_HOST = "localhost"
ORIGIN = re.compile(r"(https?)://([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(:[1-9][0-9]{0,4})?", re.ASCII)

SHAPE: Shape = record(
    {
        "method": choice(LOCAL_METHOD, HOSTED_METHOD),
        "rp_id": text(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "a domain name in lower case"),
        "origins": array(text(ORIGIN.pattern, "an origin, such as https://console.example.com"), 1, MAX_ORIGINS),
        "credential_id": text(r"[A-Za-z0-9_-]{1,1364}", "a credential id of at most 1023 octets in base64url"),
        "public_key": text(r"[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{87}", "a public key in base64url"),
        "algorithm": choice(ED25519, ES256),
    },
    {"synced": flag},
)


@dataclass(frozen=True, slots=True)
class WebauthnKey:
    """A credential and its scope."""

    method: str
    """LOCAL_METHOD or HOSTED_METHOD."""
    rp_id: str
    origins: tuple[str, ...]
    credential_id: str
    """In base64url, as it is in the bundle."""
    public_key: bytes
    """A key of Ed25519 has 32 octets; one of ES256 is the uncompressed point of 65 octets."""
    algorithm: str
    """ED25519 or ES256."""
    synced: bool = False
    """True if the credential counts although it can be backed up."""

    @property
    def kid(self) -> str:
        """Return the RFC 7638 thumbprint of its JWK."""
        if self.algorithm == ED25519:
            return VerifyingKey(self.public_key).kid
        x, y = self.public_key[1 : 1 + COORDINATE_BYTES], self.public_key[1 + COORDINATE_BYTES :]
        members = f'{{"crv":"P-256","kty":"EC","x":"{to_base64url(x)}","y":"{to_base64url(y)}"}}'
        return to_base64url(hashlib.sha256(members.encode()).digest())

    @classmethod
    def of(cls, where: str, members: Mapping[str, Any]) -> WebauthnKey:
        """Return the entry of a bundle whose shape was checked. Raises ValueError with the location."""
        key = cls(
            members["method"],
            members["rp_id"],
            tuple(members["origins"]),
            members["credential_id"],
            from_base64url(members["public_key"]),
            members["algorithm"],
            members.get("synced", False),
        )
        from_base64url(key.credential_id)
        _check_public_key(where, key)
        for origin in key.origins:
            _check_origin(where, key, origin)
        return key

    def members(self) -> dict[str, object]:
        """Return the members of its JSON object."""
        return {
            "method": self.method,
            "rp_id": self.rp_id,
            "origins": [*self.origins],
            "credential_id": self.credential_id,
            "public_key": to_base64url(self.public_key),
            "algorithm": self.algorithm,
            "synced": self.synced,
        }


def _check_public_key(where: str, key: WebauthnKey) -> None:
    if key.algorithm == ED25519:
        if len(key.public_key) != COORDINATE_BYTES:
            raise ValueError(f"{where}.public_key: expected 32 octets for {ED25519}")
        return
    # Imported late: few bundles have such a key, and every process that verifies a bundle would load it.
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey  # noqa: PLC0415

    problem = f"{where}.public_key: expected an uncompressed point of P-256 for {ES256}"
    if len(key.public_key) != POINT_BYTES:
        raise ValueError(problem)
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), key.public_key)
    except ValueError:
        raise ValueError(problem) from None


def _check_origin(where: str, key: WebauthnKey, origin: str) -> None:
    """Check that the RP ID is a suffix of the origin's host, and that the scheme fits the method (WebAuthn 5.1.3)."""
    parts = ORIGIN.fullmatch(origin)
    scheme, host = (parts.group(1), parts.group(2)) if parts else ("", "")
    if key.method == LOCAL_METHOD:
        if (scheme, host, key.rp_id) != ("http", LOCAL_HOST, LOCAL_HOST):
            raise ValueError(f"{where}: expected rp_id and origins of http://{LOCAL_HOST} for {LOCAL_METHOD}")
    elif scheme != "https" or not (host == key.rp_id or host.endswith(f".{key.rp_id}")):
        raise ValueError(f"{where}: expected origins of https in the domain of rp_id for {HOSTED_METHOD}")
