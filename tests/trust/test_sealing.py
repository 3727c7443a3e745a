"""Sealing: HPKE of RFC 9180, tested against the independent implementation in `forge`."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.jws import from_base64url, to_base64url
from warren.trust.sealing import OVERHEAD_BYTES, SealingKey, SecretScope, purpose, seal

from .forge import hpke_open, hpke_seal
from .parties import ALICE_SEALING, CORR_ID, NODE_SEALING, OTHER_SEALING, seed

pytestmark = [pytest.mark.unit, pytest.mark.security]

SCOPE = SecretScope("office", "gateway-001", "create_panel_user", "alice", CORR_ID)
INFO = purpose("arg", SCOPE, "password")


def test_unseal_needs_the_recipients_key() -> None:
    text = seal(b"correct horse", NODE_SEALING.public, INFO)
    assert NODE_SEALING.unseal(text, INFO) == b"correct horse"
    for key in (OTHER_SEALING, ALICE_SEALING):
        with pytest.raises(ValueError, match="not sealed to this key"):
            key.unseal(text, INFO)


@pytest.mark.parametrize(
    "other",
    [
        purpose("data", SCOPE, "password"),
        purpose("arg", SCOPE, "username"),
        purpose("arg", replace(SCOPE, cluster="home"), "password"),
        purpose("arg", replace(SCOPE, node="gateway-002"), "password"),
        purpose("arg", replace(SCOPE, verb="delete_user"), "password"),
        purpose("arg", replace(SCOPE, operator="bob"), "password"),
        purpose("arg", replace(SCOPE, corr_id="another-command"), "password"),
        f"warren-seal-v1 arg {CORR_ID} password".encode(),
        b"",
    ],
)
def test_unseal_rejects_another_purpose(other: bytes) -> None:
    with pytest.raises(ValueError, match="not sealed to this key"):
        NODE_SEALING.unseal(seal(b"secret", NODE_SEALING.public, INFO), other)


@given(st.data())
def test_unseal_rejects_any_changed_octet(data: st.DataObject) -> None:
    octets = bytearray(from_base64url(seal(b"a secret", NODE_SEALING.public, INFO)))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="not sealed to this key"):
        NODE_SEALING.unseal(to_base64url(bytes(octets)), INFO)


@pytest.mark.parametrize("text", ["", "A", "AAAA", "=", to_base64url(bytes(32)), to_base64url(bytes(48)), "ä" * 64])
def test_unseal_rejects_invalid_ciphertext(text: str) -> None:
    with pytest.raises(ValueError, match="not "):
        NODE_SEALING.unseal(text, INFO)


def test_seal_is_randomized() -> None:
    assert len({seal(b"secret", NODE_SEALING.public, INFO) for _ in range(8)}) == 8


@given(st.binary(max_size=200))
def test_sealing_interoperates_with_independent_hpke(secret: bytes) -> None:
    octets = from_base64url(seal(secret, NODE_SEALING.public, INFO))
    assert len(octets) == len(secret) + OVERHEAD_BYTES
    assert hpke_open(octets, seed("node, sealing"), INFO) == secret
    text = to_base64url(hpke_seal(secret, NODE_SEALING.public, INFO, seed("ephemeral")))
    assert NODE_SEALING.unseal(text, INFO) == secret


def test_sealing_key_repr_hides_private_key() -> None:
    key = SealingKey(seed("shown"))
    assert to_base64url(seed("shown")) not in repr(key) + str(vars(key))
    with pytest.raises(ValueError, match="32 octets, not 31"):
        SealingKey(bytes(31))


def test_purpose_is_the_label_and_each_part_with_its_length() -> None:
    """docs/protocol/secrets.md."""
    parts = ("warren-seal-v2", "arg", "office", "gateway-001", "create_panel_user", "alice", CORR_ID, "password")
    assert b"".join(struct.pack(">H", len(part)) + part.encode() for part in parts) == INFO


TEXT = st.text(max_size=12)
PURPOSE = st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)


@given(PURPOSE, PURPOSE)
def test_no_two_purposes_have_one_encoding(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    def encoded(parts: tuple[str, ...]) -> bytes | None:
        kind, *scope, name = parts
        try:
            return purpose(kind, SecretScope(*scope), name)
        except ValueError:
            return None

    assert (encoded(one) is None) == ("" in one)
    if one != other and encoded(one) is not None:
        assert encoded(one) != encoded(other)


@pytest.mark.parametrize("scope", [replace(SCOPE, cluster=""), replace(SCOPE, operator="")])
def test_purpose_rejects_an_empty_part(scope: SecretScope) -> None:
    with pytest.raises(ValueError, match="sealing purpose"):
        purpose("arg", scope, "password")
