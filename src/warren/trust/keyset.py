"""The private keys of a root, an operator or a node in one file: a JWK Set (RFC 7517, RFC 8037) with a name.

    {"id": "alice", "keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "x": "…", "d": "…"},
                             {"kty": "OKP", "crv": "X25519", "use": "enc", "x": "…", "d": "…"}]}

A root has no second key: nothing is sealed to a root. The second key of a node has no `d` where the private key is
root's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from warren.jws import SigningKey, from_base64url, to_base64url
from warren.shapes import Shape, array, choice, record, text
from warren.strictjson import parse_object
from warren.trust.sealing import SealingKey

MAX_BYTES = 4096
ABOUT_NAME = "1 to 64 of A-Z a-z 0-9 . _ @ -"

KEY = text(r"[A-Za-z0-9_-]{43}", "32 octets in base64url")
JWK = record(
    {"kty": choice("OKP"), "crv": choice("Ed25519", "X25519"), "use": choice("sig", "enc"), "x": KEY}, {"d": KEY}
)
SHAPE: Shape = record({"id": text(r"[A-Za-z0-9_-][A-Za-z0-9._@-]{0,63}", ABOUT_NAME), "keys": array(JWK, 1, 2)})


@dataclass(frozen=True, slots=True)
class KeySet:
    """The name and the private keys of a principal. Its repr shows public keys only."""

    id: str
    signing: SigningKey
    sealing: SealingKey | None = None
    sealing_public: bytes | None = None
    """The public key of `sealing`; alone where the private key is root's."""


def encode_keyset(name: str, signing: bytes, sealing: bytes | None = None) -> bytes:
    """Encode private keys of 32 octets each as a file."""
    keys = [_jwk("Ed25519", "sig", SigningKey(signing).public.octets, signing)]
    if sealing is not None:
        keys.append(_jwk("X25519", "enc", SealingKey(sealing).public, sealing))
    return json.dumps({"id": name, "keys": keys}, indent=1).encode() + b"\n"


def encode_node_keys(name: str, signing: bytes, sealing_public: bytes) -> bytes:
    """Encode the signing key of a node, and the public key of its sealing key, which root has."""
    public = {"kty": "OKP", "crv": "X25519", "use": "enc", "x": to_base64url(sealing_public)}
    keys = [_jwk("Ed25519", "sig", SigningKey(signing).public.octets, signing), public]
    return json.dumps({"id": name, "keys": keys}, indent=1).encode() + b"\n"


def parse_keyset(octets: bytes) -> KeySet:
    """Parse a file. Raises ValueError; the message holds nothing of a key."""
    members = parse_object(octets)
    SHAPE(members, "")
    match members:
        case {"id": str(name), "keys": [dict(signing)]}:
            return KeySet(name, _signing(signing))
        case {"id": str(name), "keys": [dict(signing), dict(sealing)]}:
            if "d" not in sealing:
                return KeySet(name, _signing(signing), None, _public(sealing, "X25519", "enc"))
            private = _sealing(sealing, 1)
            return KeySet(name, _signing(signing), private, private.public)
    raise ValueError("keys: expected one or two")


def encode_sealing_key(name: str, sealing: bytes) -> bytes:
    """Encode the name of a node and its sealing key of 32 octets as a file."""
    key = _jwk("X25519", "enc", SealingKey(sealing).public, sealing)
    return json.dumps({"id": name, "keys": [key]}, indent=1).encode() + b"\n"


def parse_sealing_key(octets: bytes) -> tuple[str, SealingKey]:
    """Parse the file of a node's sealing key. Raises ValueError; the message holds nothing of a key."""
    members = parse_object(octets)
    SHAPE(members, "")
    match members:
        case {"id": str(name), "keys": [dict(sealing)]}:
            return name, _sealing(sealing, 0)
    raise ValueError("keys: expected one")


def _signing(jwk: dict[str, str]) -> SigningKey:
    key = SigningKey(_private(jwk, "Ed25519", "sig"))
    if key.public.x != jwk["x"]:
        raise ValueError("keys[0]: x is not the public key of d")
    return key


def _sealing(jwk: dict[str, str], number: int) -> SealingKey:
    key = SealingKey(_private(jwk, "X25519", "enc"))
    if to_base64url(key.public) != jwk["x"]:
        raise ValueError(f"keys[{number}]: x is not the public key of d")
    return key


def _private(jwk: dict[str, str], curve: str, use: str) -> bytes:
    _public(jwk, curve, use)
    if "d" not in jwk:
        raise ValueError("keys: expected a private key, with d")
    return from_base64url(jwk["d"])


def _public(jwk: dict[str, str], curve: str, use: str) -> bytes:
    if (jwk["crv"], jwk["use"]) != (curve, use):
        raise ValueError(f"keys: expected a key with crv {curve} and use {use}")
    return from_base64url(jwk["x"])


def _jwk(curve: str, use: str, public: bytes, private: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": curve, "use": use, "x": to_base64url(public), "d": to_base64url(private)}
