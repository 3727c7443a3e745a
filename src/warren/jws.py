"""Signed bytes: JWS Compact Serialization (RFC 7515 section 7.1) with Ed25519 (RFC 8037, RFC 9864), and nothing else.

The rules, in the order in which `read` and `verify` check them:

1. size and shape: three parts of strict base64url, without padding, without spare bits (RFC 7515 section 2)
2. header: `alg`, `typ` and `kid`, each once, and no other member; so no `crit`, `jwk`, `jku`, `x5u`, `b64`
3. `alg` is `Ed25519`; `typ` is the expected one, so no token is accepted as one of another type (RFC 8725 section 3.11)
4. `kid` is the RFC 7638 thumbprint of a key that the caller trusts for this `typ`
5. the signature, over the octets as received; the payload is not parsed before

A broken rule raises `JwsError` with the number of its stage. A key is 32 octets; its `kid` is computed, never chosen.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from warren.strictjson import encode, parse_object

ALGORITHM = CURVE = "Ed25519"
KEY_BYTES = 32
SIGNATURE_CHARACTERS = 86  # of 64 octets
MAX_BYTES = 65_536  # a command with its intent has about 2,000; a trust bundle of 100 operators 40,000
MAX_HEADER_CHARACTERS = 512
MEMBERS = {"alg", "typ", "kid"}
BASE64URL = re.compile(r"\A[A-Za-z0-9_-]+\Z")


class Stage(enum.IntEnum):
    """The rule that was broken."""

    SHAPE = 1
    HEADER = 2
    TYPE = 3
    KEY = 4
    SIGNATURE = 5


class JwsError(ValueError):
    """A token is not valid; the message holds nothing of it."""

    def __init__(self, stage: Stage, problem: str) -> None:
        super().__init__(problem)
        self.stage = stage


@dataclass(frozen=True)
class VerifyingKey:
    """An Ed25519 public key."""

    octets: bytes
    """32 of them."""

    def __post_init__(self) -> None:
        if len(self.octets) != KEY_BYTES:
            raise ValueError(f"an Ed25519 public key has {KEY_BYTES} octets, not {len(self.octets)}")

    @cached_property
    def kid(self) -> str:
        """The RFC 7638 thumbprint in base64url, 43 characters."""
        members = f'{{"crv":"{CURVE}","kty":"OKP","x":"{self.x}"}}'  # in this order (RFC 7638 section 3.2)
        return to_base64url(hashlib.sha256(members.encode()).digest())

    @cached_property
    def x(self) -> str:
        """The key as JWK writes it (RFC 8037 section 2)."""
        return to_base64url(self.octets)

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.octets)

    @classmethod
    def from_x(cls, x: str) -> VerifyingKey:
        """Return the key of a JWK's `x`.

        Raises:
            ValueError: the text is not base64url of 32 octets.
        """
        return cls(from_base64url(x))


class SigningKey:
    """An Ed25519 private key of 32 octets, which no repr shows."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise ValueError(f"an Ed25519 private key has {KEY_BYTES} octets, not {len(seed)}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = VerifyingKey(self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.public.kid!r})"

    def sign(self, payload: bytes, typ: str) -> str:
        """Return the compact token over these octets."""
        header = encode({"alg": ALGORITHM, "typ": typ, "kid": self.public.kid})
        signed = f"{to_base64url(header)}.{to_base64url(payload)}"
        return f"{signed}.{to_base64url(self._key.sign(signed.encode()))}"


@dataclass(frozen=True, slots=True)
class Token:
    """A well-formed token; nothing of it is verified."""

    text: str
    typ: str
    kid: str


def read(text: str, *, max_bytes: int = MAX_BYTES) -> Token:
    """Check rules 1, 2 and the first half of 3.

    Raises:
        JwsError: the text breaks one of them.
    """
    if len(text) > max_bytes or not text.isascii():
        raise JwsError(Stage.SHAPE, f"longer than {max_bytes} octets, or not ASCII")
    parts = text.split(".")
    if len(parts) != 3 or len(parts[0]) > MAX_HEADER_CHARACTERS or len(parts[2]) != SIGNATURE_CHARACTERS:
        raise JwsError(Stage.SHAPE, "not a JWS in compact serialization")
    try:
        header, *_ = [from_base64url(part) for part in parts]
    except ValueError as error:
        raise JwsError(Stage.SHAPE, str(error)) from None
    return _read_header(text, header)


def _read_header(text: str, octets: bytes) -> Token:
    try:
        header = parse_object(octets)
    except ValueError as error:
        raise JwsError(Stage.HEADER, f"header: {error}") from None
    match header:
        case {"alg": str(alg), "typ": str(typ), "kid": str(kid)} if set(header) == MEMBERS:
            if alg != ALGORITHM:
                raise JwsError(Stage.TYPE, f"algorithm is not {ALGORITHM}")
            return Token(text, typ, kid)
    raise JwsError(Stage.HEADER, "header: expected exactly alg, typ and kid, each a text")


def verify(token: Token, typ: str, keys: Mapping[str, VerifyingKey]) -> bytes:
    """Return the payload, verified to be signed as a `typ` by one of `keys` (by `kid`).

    Raises:
        JwsError: the token breaks rule 3, 4 or 5.
    """
    if token.typ != typ:
        raise JwsError(Stage.TYPE, f"type is not {typ}")
    key = keys.get(token.kid)
    if key is None or key.kid != token.kid:
        raise JwsError(Stage.KEY, f"key is not trusted to sign a {typ}")
    signed, _, signature = token.text.rpartition(".")
    try:
        key._key.verify(from_base64url(signature), signed.encode())
    except InvalidSignature:
        raise JwsError(Stage.SIGNATURE, "signature is invalid") from None
    return from_base64url(signed.partition(".")[2])


def to_base64url(octets: bytes) -> str:
    """Encode without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode what `to_base64url` writes, and nothing else.

    Raises:
        ValueError: the text has padding, other characters, or nonzero spare bits.
    """
    if not BASE64URL.match(text) or len(text) % 4 == 1:
        raise ValueError("not base64url without padding")
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(octets) != text:
        raise ValueError("base64url with nonzero spare bits")
    return octets


def payload_of(members: Mapping[str, object]) -> bytes:
    """Encode the members for signing."""
    return encode(dict(members))
