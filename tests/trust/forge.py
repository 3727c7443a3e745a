"""Tokens and ciphertexts built from RFC 7515, RFC 8037 and RFC 9180 alone, including invalid ones."""

from __future__ import annotations

import base64
import hmac
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEM = b"KEM\x00\x20"  # DHKEM(X25519, HKDF-SHA256), RFC 9180 section 7.1
SUITE = b"HPKE\x00\x20\x00\x01\x00\x03"  # with HKDF-SHA256 and ChaCha20-Poly1305, sections 7.2 and 7.3


def base64url(octets: bytes) -> str:
    """Encode as in RFC 7515, appendix C."""
    return base64.urlsafe_b64encode(octets).decode().replace("=", "")


def forge(header: object, payload: object, seed: bytes) -> str:
    """Return a compact JWS (RFC 7515 section 7.1) with an Ed25519 signature (RFC 8037); octets are used unchanged."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signing_input = ".".join(map(base64url, parts))
    return f"{signing_input}.{base64url(ed25519(seed, signing_input.encode()))}"


def ed25519(seed: bytes, message: bytes) -> bytes:
    """Return a signature of 64 octets."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def hpke_seal(secret: bytes, public: bytes, info: bytes, ephemeral: bytes) -> bytes:
    """Seal as in RFC 9180 section 6.1, base mode, with a given ephemeral key: encapsulated key and ciphertext."""
    private = X25519PrivateKey.from_private_bytes(ephemeral)
    encapsulated = private.public_key().public_bytes_raw()
    exchanged = private.exchange(X25519PublicKey.from_public_bytes(public))
    key, nonce = _schedule(exchanged, encapsulated, public, info)
    return encapsulated + ChaCha20Poly1305(key).encrypt(nonce, secret, b"")


def hpke_open(octets: bytes, private: bytes, info: bytes) -> bytes:
    """Open what `hpke_seal` returns."""
    recipient = X25519PrivateKey.from_private_bytes(private)
    exchanged = recipient.exchange(X25519PublicKey.from_public_bytes(octets[:32]))
    key, nonce = _schedule(exchanged, octets[:32], recipient.public_key().public_bytes_raw(), info)
    return ChaCha20Poly1305(key).decrypt(nonce, octets[32:], b"")


def _schedule(exchanged: bytes, encapsulated: bytes, public: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce of the first message (sections 4.1 and 5.1)."""
    prk = _extract(KEM, b"", b"eae_prk", exchanged)
    shared = _expand(KEM, prk, b"shared_secret", encapsulated + public, 32)
    context = b"\x00" + _extract(SUITE, b"", b"psk_id_hash", b"") + _extract(SUITE, b"", b"info_hash", info)
    secret = _extract(SUITE, shared, b"secret", b"")
    return _expand(SUITE, secret, b"key", context, 32), _expand(SUITE, secret, b"base_nonce", context, 12)


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labelled + b"\x01", "sha256")[:length]
