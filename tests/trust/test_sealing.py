"""Sealing: HPKE as RFC 9180 has it, held against an implementation of our own that is written from its text."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from warren.jws import from_base64url, to_base64url
from warren.trust.sealing import OVERHEAD_BYTES, SealingKey, purpose, seal

from .parties import ALICE_SEALING, CORR_ID, NODE, OTHER_NODE, seed

pytestmark = [pytest.mark.unit, pytest.mark.security]

INFO = purpose("arg", CORR_ID, "password")
KEM = b"KEM\x00\x20"  # DHKEM(X25519, HKDF-SHA256), section 7.1
SUITE = b"HPKE\x00\x20\x00\x01\x00\x03"  # with HKDF-SHA256 and ChaCha20-Poly1305, sections 7.2 and 7.3


def test_only_the_key_it_is_for_opens_it() -> None:
    text = seal(b"correct horse", NODE.sealing.public, INFO)
    assert NODE.sealing.unseal(text, INFO) == b"correct horse"
    for key in (OTHER_NODE.sealing, ALICE_SEALING):
        with pytest.raises(ValueError, match="not sealed to this key"):
            key.unseal(text, INFO)


@pytest.mark.parametrize(
    "other",
    [
        purpose("data", CORR_ID, "password"),
        purpose("arg", "another-command", "password"),
        purpose("arg", CORR_ID, "username"),
        b"",
    ],
)
def test_it_opens_for_its_purpose_alone(other: bytes) -> None:
    with pytest.raises(ValueError, match="not sealed to this key"):
        NODE.sealing.unseal(seal(b"secret", NODE.sealing.public, INFO), other)


@given(st.data())
def test_no_octet_of_it_can_be_another(data: st.DataObject) -> None:
    octets = bytearray(from_base64url(seal(b"a secret", NODE.sealing.public, INFO)))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="not sealed to this key"):
        NODE.sealing.unseal(to_base64url(bytes(octets)), INFO)


@pytest.mark.parametrize("text", ["", "A", "AAAA", "=", to_base64url(bytes(32)), to_base64url(bytes(48)), "ä" * 64])
def test_what_is_no_ciphertext(text: str) -> None:
    with pytest.raises(ValueError, match="is "):
        NODE.sealing.unseal(text, INFO)


def test_two_of_the_same_are_not_alike() -> None:
    assert len({seal(b"secret", NODE.sealing.public, INFO) for _ in range(8)}) == 8


@given(st.binary(max_size=200))
def test_a_stranger_opens_what_we_seal_and_seals_what_we_open(secret: bytes) -> None:
    """RFC 9180, written out below from sections 4 and 5 alone."""
    octets = from_base64url(seal(secret, NODE.sealing.public, INFO))
    assert len(octets) == len(secret) + OVERHEAD_BYTES
    recipient = X25519PrivateKey.from_private_bytes(seed("node, sealing"))
    shared = _extract_and_expand(recipient.exchange(X25519PublicKey.from_public_bytes(octets[:32])), octets[:32])
    key, nonce = _schedule(shared)
    assert ChaCha20Poly1305(key).decrypt(nonce, octets[32:], b"") == secret

    ephemeral = X25519PrivateKey.from_private_bytes(seed("ephemeral"))
    encapsulated = ephemeral.public_key().public_bytes_raw()
    exchanged = ephemeral.exchange(X25519PublicKey.from_public_bytes(NODE.sealing.public))
    key, nonce = _schedule(_extract_and_expand(exchanged, encapsulated))
    text = to_base64url(encapsulated + ChaCha20Poly1305(key).encrypt(nonce, secret, b""))
    assert NODE.sealing.unseal(text, INFO) == secret


def _extract_and_expand(exchanged: bytes, encapsulated: bytes) -> bytes:
    """Section 4.1: the shared secret of the KEM."""
    prk = _extract(KEM, b"", b"eae_prk", exchanged)
    return _expand(KEM, prk, b"shared_secret", encapsulated + NODE.sealing.public, 32)


def _schedule(shared: bytes) -> tuple[bytes, bytes]:
    """Section 5.1, mode base: key and nonce of the first message."""
    psk_id = _extract(SUITE, b"", b"psk_id_hash", b"")
    context = b"\x00" + psk_id + _extract(SUITE, b"", b"info_hash", INFO)
    secret = _extract(SUITE, shared, b"secret", b"")
    return _expand(SUITE, secret, b"key", context, 32), _expand(SUITE, secret, b"base_nonce", context, 12)


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labelled + b"\x01", "sha256")[:length]


def test_a_key_shows_nothing_of_itself() -> None:
    key = SealingKey(seed("shown"))
    assert to_base64url(seed("shown")) not in repr(key) + str(vars(key))
    with pytest.raises(ValueError, match="32 octets, not 31"):
        SealingKey(bytes(31))


@pytest.mark.parametrize("parts", [("arg", "a b", "c"), ("arg", "", "c"), ("arg", "a", "b\n"), ("a\0", "b", "c")])
def test_a_purpose_has_one_reading(parts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="sealing purpose"):
        purpose(*parts)
