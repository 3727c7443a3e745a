"""A payload that is signed by a WebAuthn credential (WebAuthn level 3, section 7.2), without the ceremony around it.

The text is five parts of base64url, joined by dots: header, payload, authenticator data, client data, signature. The
authenticator signs no payload, but a challenge: the digest of type and payload. The rules, in their order:

1. sizes and shape; the header has exactly `alg`, `typ` and `kid`
2. `kid` is a credential that the caller trusts, with this algorithm
3. client data: strict JSON, `webauthn.get`, the challenge, one of the credential's origins, not framed by another
4. the RP ID is the credential's
5. the user was present and verified; a credential that can be backed up counts only if its entry says so
6. no attested credential data and no extensions
7. the signature over authenticator data and the SHA-256 of client data; an ES256 signature is strict DER

The signature counter is not checked: authenticators may leave it at zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from warren.jws import JwsError, Stage, from_base64url, to_base64url
from warren.strictjson import parse_object
from warren.trust.webauthn_key import ED25519, ES256, WebauthnKey

MAX_CHARACTERS = 16_384
MAX_HEADER_CHARACTERS = 512
PARTS = 5
AUTHENTICATOR_BYTES = 37  # RP ID hash, flags, counter; more would be attested data or extensions
MAX_SIGNATURE_BYTES = 80  # of ES256 in DER at most 72
RP_ID_HASH_BYTES = 32
USER_PRESENT, USER_VERIFIED = 0x01, 0x04
BACKUP_ELIGIBLE, BACKED_UP = 0x08, 0x10
ATTESTED, EXTENSIONS = 0x40, 0x80


@dataclass(frozen=True, slots=True)
class Assertion:
    """A well-formed text; nothing of it is verified."""

    typ: str
    kid: str
    algorithm: str
    payload: bytes
    authenticator: bytes
    client: bytes
    signature: bytes


def is_assertion(text: str) -> bool:
    """Return whether a text has the parts of an assertion; a JWS has three."""
    return text.count(".") == PARTS - 1


def challenge_of(typ: str, payload: bytes) -> bytes:
    """Return the challenge that a credential signs for a payload."""
    return hashlib.sha256(typ.encode("ascii") + b"\0" + payload).digest()


def read_assertion(text: str) -> Assertion:
    """Check rule 1. Raises JwsError."""
    if len(text) > MAX_CHARACTERS or not text.isascii():
        raise JwsError(Stage.SHAPE, f"longer than {MAX_CHARACTERS} octets, or not ASCII")
    parts = text.split(".")
    if len(parts) != PARTS or len(parts[0]) > MAX_HEADER_CHARACTERS:
        raise JwsError(Stage.SHAPE, f"expected {PARTS} parts")
    try:
        header, payload, authenticator, client, signature = map(from_base64url, parts)
    except ValueError as error:
        raise JwsError(Stage.SHAPE, str(error)) from None
    if len(authenticator) != AUTHENTICATOR_BYTES or len(signature) > MAX_SIGNATURE_BYTES:
        raise JwsError(Stage.SHAPE, "authenticator data has attested data or extensions, or the signature is too long")
    try:
        members = parse_object(header)
    except ValueError as error:
        raise JwsError(Stage.HEADER, f"header: {error}") from None
    match members:
        case {"alg": str(algorithm), "typ": str(typ), "kid": str(kid)} if len(members) == 3:
            return Assertion(typ, kid, algorithm, payload, authenticator, client, signature)
    raise JwsError(Stage.HEADER, "header: expected exactly alg, typ and kid, each a text")


def verify_assertion(assertion: Assertion, typ: str, key: WebauthnKey) -> bytes:
    """Return the payload, verified to be signed as a `typ` by this credential: rules 2 to 7. Raises JwsError."""
    if assertion.typ != typ:
        raise JwsError(Stage.TYPE, f"type is not {typ}")
    if (assertion.kid, assertion.algorithm) != (key.kid, key.algorithm):
        raise JwsError(Stage.KEY, "credential has another thumbprint or algorithm")
    if problem := _client_problem(assertion, key) or _authenticator_problem(assertion, key):
        raise JwsError(Stage.SIGNATURE, problem)
    _verify_signature(assertion, key)
    return assertion.payload


def _client_problem(assertion: Assertion, key: WebauthnKey) -> str | None:
    """Check rule 3."""
    try:
        client: Mapping[str, object] = parse_object(assertion.client)
    except ValueError as error:
        return f"client data: {error}"
    if client.get("type") != "webauthn.get":
        return "client data: type is not webauthn.get"
    if client.get("challenge") != to_base64url(challenge_of(assertion.typ, assertion.payload)):
        return "client data: challenge is of another payload"
    if client.get("origin") not in key.origins:
        return "client data: origin is not one of the credential's"
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        return "client data: the page was framed by another origin"
    return None


def _authenticator_problem(assertion: Assertion, key: WebauthnKey) -> str | None:
    """Check rules 4 to 6."""
    data, flags = assertion.authenticator, assertion.authenticator[RP_ID_HASH_BYTES]
    if data[:RP_ID_HASH_BYTES] != hashlib.sha256(key.rp_id.encode("ascii")).digest():
        return "authenticator data: RP ID is not the credential's"
    if not flags & USER_PRESENT or not flags & USER_VERIFIED:
        return "authenticator data: the user was not present, or not verified"
    if flags & (BACKUP_ELIGIBLE | BACKED_UP) and not key.synced:
        return "authenticator data: the credential can be backed up, and its entry does not say synced"
    if flags & (ATTESTED | EXTENSIONS):
        return "authenticator data: attested data or extensions"
    return None


def _verify_signature(assertion: Assertion, key: WebauthnKey) -> None:
    """Check rule 7."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415, late: few bundles have such a key

    signed = assertion.authenticator + hashlib.sha256(assertion.client).digest()
    verify = {ED25519: _verify_ed25519, ES256: _verify_es256}[key.algorithm]
    try:
        verify(key.public_key, assertion.signature, signed)
    except (InvalidSignature, ValueError):
        raise JwsError(Stage.SIGNATURE, "signature is invalid") from None


def _verify_ed25519(public: bytes, signature: bytes, signed: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)


def _verify_es256(public: bytes, signature: bytes, signed: bytes) -> None:
    """Raise ValueError for a signature that is not strict DER (X.690, section 10)."""
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    if utils.encode_dss_signature(*utils.decode_dss_signature(signature)) != signature:
        raise ValueError("not strict DER")
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    point.verify(signature, signed, ec.ECDSA(SHA256()))
