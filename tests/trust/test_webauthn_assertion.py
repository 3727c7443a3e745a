"""An assertion of a WebAuthn credential: no part of it can be altered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.commands.webauthn import PHONE, Signing
from warren.jws import JwsError, from_base64url
from warren.signed_types import WEBAUTHN_INTENT
from warren.trust.webauthn_assertion import is_assertion, read_assertion, verify_assertion

pytestmark = [pytest.mark.unit, pytest.mark.security]

TYPE = WEBAUTHN_INTENT.typ
LOCAL = Signing()
TEXTS = {signing: signing.intent() for signing in (LOCAL, PHONE)}


@pytest.mark.parametrize("signing", [LOCAL, PHONE], ids=["Ed25519", "ES256"])
def test_verify_assertion_returns_the_signed_payload(signing: Signing) -> None:
    text = TEXTS[signing]
    assert is_assertion(text)
    assert verify_assertion(read_assertion(text), TYPE, signing.key) == from_base64url(text.split(".")[1])


@given(st.sampled_from([LOCAL, PHONE]), st.data())
def test_verify_assertion_rejects_any_changed_octet(signing: Signing, data: st.DataObject) -> None:
    """The header is not signed; it only says by which credential and type the rest is verified."""
    header, *signed = TEXTS[signing].split(".")
    part = data.draw(st.integers(0, len(signed) - 1))
    place = data.draw(st.integers(0, len(signed[part]) - 1))
    other = data.draw(st.sampled_from("ABab09-_").filter(lambda character: character != signed[part][place]))
    signed[part] = signed[part][:place] + other + signed[part][place + 1 :]
    with pytest.raises(JwsError):
        verify_assertion(read_assertion(".".join([header, *signed])), TYPE, signing.key)


@given(st.text(max_size=64) | st.lists(st.text(alphabet="Ae9_-=", max_size=60), min_size=5, max_size=5).map(".".join))
def test_read_assertion_rejects_garbage(text: str) -> None:
    with pytest.raises(JwsError):
        read_assertion(text)


def test_verify_assertion_rejects_another_type_and_credential() -> None:
    assertion = read_assertion(TEXTS[LOCAL])
    with pytest.raises(JwsError, match="type is not"):
        verify_assertion(assertion, "warren-approval+jws", LOCAL.key)
    with pytest.raises(JwsError, match="another thumbprint"):
        verify_assertion(assertion, TYPE, PHONE.key)
