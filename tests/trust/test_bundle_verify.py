"""Verification of a trust bundle: pinned root, closed schema, no rollback."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import TrustError
from warren.jws import SigningKey, payload_of
from warren.trust.bundle import NOTICE_SECONDS, TrustBundle, expiry_problem
from warren.trust.bundle_json import bundle_members
from warren.trust.bundle_verify import TYPE, sign_bundle, verify_bundle
from warren.trust.principals import Approval, KeyEntry

from .parties import ALICE, BUNDLE, DISPATCHER, NEXT_ROOT, NODE, NOW, ROOT, THIEF

pytestmark = [pytest.mark.unit, pytest.mark.security]

PINS = (ROOT.public.kid,)
WHOLE = replace(
    BUNDLE,
    approvals={"stop_container": Approval(2, ("ADMIN",))},
    scripts={"panel_create": "0" * 64},
    rates={"list_users": 30},
    cas=("-----BEGIN CERTIFICATE-----\nMAoGCCqGSM49BAMC\n-----END CERTIFICATE-----\n",),
    pins=(NODE.signing.public.x,),
)


def bundle_token(changes: dict[str, object], key: SigningKey = ROOT, typ: str = TYPE) -> str:
    """Return a token over the usual members with changes; None removes a member."""
    members = {**bundle_members(BUNDLE), **changes}
    return key.sign(payload_of({name: value for name, value in members.items() if value is not None}), typ)


@pytest.mark.parametrize("bundle", [BUNDLE, WHOLE])
def test_verify_bundle_returns_what_was_signed(bundle: TrustBundle) -> None:
    assert verify_bundle(sign_bundle(bundle, ROOT), PINS) == bundle


def test_verify_bundle_accepts_any_pinned_root() -> None:
    both = (ROOT.public.kid, NEXT_ROOT.public.kid)
    for root in (ROOT, NEXT_ROOT):
        bundle = replace(BUNDLE, roots=(root.public,))
        assert verify_bundle(sign_bundle(bundle, root), both) == bundle


def test_verify_bundle_rejects_unpinned_root() -> None:
    text = sign_bundle(replace(BUNDLE, roots=(THIEF.public, ROOT.public)), THIEF)
    with pytest.raises(TrustError) as refused:
        verify_bundle(text, PINS)
    assert refused.value.code == "trust.root_not_pinned"
    with pytest.raises(TrustError):
        verify_bundle(sign_bundle(BUNDLE, ROOT), ())


@pytest.mark.parametrize("key", [DISPATCHER, ALICE, THIEF])
def test_verify_bundle_rejects_key_of_another_function(key: SigningKey) -> None:
    with pytest.raises(TrustError):
        verify_bundle(bundle_token({}, key), PINS)
    with pytest.raises(TrustError):
        verify_bundle(bundle_token({"roots": [key.public.x, ROOT.public.x]}, key), PINS)


def test_verify_bundle_rejects_root_missing_from_roots() -> None:
    with pytest.raises(TrustError, match="not trusted"):
        verify_bundle(bundle_token({"roots": [NEXT_ROOT.public.x]}), PINS)
    with pytest.raises(TrustError, match="not among them"):
        sign_bundle(BUNDLE, NEXT_ROOT)


@pytest.mark.parametrize("typ", ["warren-cmd+jws", "warren-intent+jws", "JWT", "warren-trust+JWS"])
def test_verify_bundle_rejects_another_type(typ: str) -> None:
    with pytest.raises(TrustError, match="type"):
        verify_bundle(bundle_token({}, typ=typ), PINS)


def test_verify_bundle_rejects_lower_version_only() -> None:
    text = sign_bundle(BUNDLE, ROOT)
    assert verify_bundle(text, PINS, BUNDLE.version).version == BUNDLE.version
    with pytest.raises(TrustError, match="version 7 is lower than the known version 8") as refused:
        verify_bundle(text, PINS, BUNDLE.version + 1)
    assert refused.value.code == "trust.rollback"


def test_verify_bundle_follows_root_rotation() -> None:
    """A node that pins only the old root follows."""
    old = replace(BUNDLE, roots=(ROOT.public, NEXT_ROOT.public))
    new = replace(BUNDLE, version=8, roots=(NEXT_ROOT.public,))
    lines = f"{sign_bundle(old, ROOT)}\n{sign_bundle(new, NEXT_ROOT)}\n"
    assert verify_bundle(lines, PINS) == new
    with pytest.raises(TrustError):  # without the line in between
        verify_bundle(sign_bundle(new, NEXT_ROOT), PINS)
    with pytest.raises(TrustError):  # the old root is no longer accepted
        verify_bundle(f"{lines}{bundle_token({'version': 9})}\n", PINS)
    back = sign_bundle(replace(old, version=8), ROOT), sign_bundle(replace(new, version=7), NEXT_ROOT)
    with pytest.raises(TrustError, match="version 7 is lower than the known version 8"):
        verify_bundle("\n".join(back), PINS)


@pytest.mark.parametrize("text", ["", "\n", "x", "a.b.c", "\n".join(["a.b.c"] * 17)])
def test_verify_bundle_rejects_garbage(text: str) -> None:
    with pytest.raises(TrustError):
        verify_bundle(text, PINS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": None}, "version: missing"),
        ({"version": 0}, "version: expected a whole number from 1"),
        ({"version": True}, "version: expected a whole number"),
        ({"version": 7.0}, "version: expected a whole number"),
        ({"extra": 1}, "'extra': unknown member"),
        ({"exp": BUNDLE.issued}, "exp: expected a time after iat"),
        ({"dispatch": [{"x": DISPATCHER.public.x, "d": "A"}]}, "dispatch[0].'d': unknown member"),
        ({"dispatch": [{"x": "A" * 42}]}, "dispatch[0].x: expected the 43 characters"),
        ({"dispatch": [{"x": "A" * 42 + "B"}]}, "spare bits"),
        ({"dispatch": [{"x": ROOT.public.x}]}, "duplicate key"),
        ({"registrars": [{"x": DISPATCHER.public.x}]}, "duplicate key"),
        ({"dispatch": [{"x": ALICE.public.x}]}, "duplicate key"),
        ({"dispatch": [{"x": DISPATCHER.public.x}] * 2}, "dispatch[1]: duplicate"),
        ({"roles": {"VIEWER": []}}, "operators.alice: the role ADMIN is not in roles"),
        ({"roles": {"ADMIN": ["Stop"], "VIEWER": []}}, "roles.ADMIN[0]: expected the name of a verb"),
        ({"approvals": {"list_users": {"k": 1, "by": ["NOBODY"]}}}, "approvals.list_users: the role NOBODY"),
        ({"approvals": {"list_users": {"k": 0, "by": ["ADMIN"]}}}, "approvals.list_users.k: expected"),
        ({"levels": {"list_users": "L4"}}, "levels.list_users: expected L0, L1, L2 or L3"),
        ({"scripts": {"panel_create": "F" * 64}}, "scripts.panel_create: expected a SHA-256"),
        ({"operators": []}, "operators: expected an object"),
        ({"roots": []}, "not trusted to sign"),
        ({"policy_id": "a b"}, "policy_id: expected 1 to 64"),
    ],
)
def test_verify_bundle_rejects_invalid_payload_with_location(changes: dict[str, object], message: str) -> None:
    with pytest.raises(TrustError) as refused:
        verify_bundle(bundle_token(changes), PINS)
    assert message in str(refused.value)


@given(st.data())
def test_verify_bundle_rejects_any_changed_character(data: st.DataObject) -> None:
    text = sign_bundle(BUNDLE, ROOT)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=0x7F).filter(lambda character: character != text[place]))
    with pytest.raises(TrustError):
        verify_bundle(text[:place] + other + text[place + 1 :], PINS)


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (NOTICE_SECONDS + 1, None),
        (NOTICE_SECONDS, "trust bundle 7 expires in 14 days: then only read-only commands run"),
        (86_401, "trust bundle 7 expires in 2 days: then only read-only commands run"),
        (1, "trust bundle 7 expires in 1 day: then only read-only commands run"),
        (0, "trust bundle 7 has expired: only read-only commands run"),
    ],
)
def test_expiry_problem_warns_fourteen_days_before(left: int, message: str | None) -> None:
    assert expiry_problem(BUNDLE, BUNDLE.expires - left) == message
    assert BUNDLE.expired(BUNDLE.expires - left) == (left == 0)


def test_dispatcher_is_none_after_key_expiry() -> None:
    bundle = replace(BUNDLE, dispatch=(KeyEntry(DISPATCHER.public, NOW),))
    assert bundle.dispatcher(DISPATCHER.public.kid, NOW - 1) == DISPATCHER.public
    assert bundle.dispatcher(DISPATCHER.public.kid, NOW) is None
