"""What makes a trust bundle believed: a pinned root, a closed shape, a version that never goes back."""

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


def by_root(changes: dict[str, object], key: SigningKey = ROOT, typ: str = TYPE) -> str:
    """A token over the usual members and these; None takes one away."""
    members = {**bundle_members(BUNDLE), **changes}
    return key.sign(payload_of({name: value for name, value in members.items() if value is not None}), typ)


@pytest.mark.parametrize("bundle", [BUNDLE, WHOLE])
def test_what_is_signed_is_what_is_read(bundle: TrustBundle) -> None:
    assert verify_bundle(sign_bundle(bundle, ROOT), PINS) == bundle


def test_several_roots_may_be_pinned_and_one_is_enough() -> None:
    both = (ROOT.public.kid, NEXT_ROOT.public.kid)
    for root in (ROOT, NEXT_ROOT):
        bundle = replace(BUNDLE, roots=(root.public,))
        assert verify_bundle(sign_bundle(bundle, root), both) == bundle


def test_a_root_that_is_not_pinned_proves_nothing() -> None:
    text = sign_bundle(replace(BUNDLE, roots=(THIEF.public, ROOT.public)), THIEF)
    with pytest.raises(TrustError) as refused:
        verify_bundle(text, PINS)
    assert refused.value.code == "trust.root_not_pinned"
    with pytest.raises(TrustError):
        verify_bundle(sign_bundle(BUNDLE, ROOT), ())


@pytest.mark.parametrize("key", [DISPATCHER, ALICE, THIEF])
def test_nobody_but_a_root_signs_one(key: SigningKey) -> None:
    with pytest.raises(TrustError):
        verify_bundle(by_root({}, key), PINS)
    with pytest.raises(TrustError):
        verify_bundle(by_root({"roots": [key.public.x, ROOT.public.x]}, key), PINS)


def test_a_root_that_is_pinned_but_does_not_name_itself() -> None:
    with pytest.raises(TrustError, match="not trusted"):
        verify_bundle(by_root({"roots": [NEXT_ROOT.public.x]}), PINS)
    with pytest.raises(TrustError, match="not among them"):
        sign_bundle(BUNDLE, NEXT_ROOT)


@pytest.mark.parametrize("typ", ["warren-cmd+jws", "warren-intent+jws", "JWT", "warren-trust+JWS"])
def test_another_type_is_no_bundle(typ: str) -> None:
    with pytest.raises(TrustError, match="type"):
        verify_bundle(by_root({}, typ=typ), PINS)


def test_a_lower_version_is_refused_and_the_same_is_not() -> None:
    text = sign_bundle(BUNDLE, ROOT)
    assert verify_bundle(text, PINS, BUNDLE.version).version == BUNDLE.version
    with pytest.raises(TrustError, match="version 7, and 8 was there before") as refused:
        verify_bundle(text, PINS, BUNDLE.version + 1)
    assert refused.value.code == "trust.rollback"


def test_a_new_root_is_signed_by_the_old_one() -> None:
    """Row: a node that has only the old one pinned follows."""
    old = replace(BUNDLE, roots=(ROOT.public, NEXT_ROOT.public))
    new = replace(BUNDLE, version=8, roots=(NEXT_ROOT.public,))
    lines = f"{sign_bundle(old, ROOT)}\n{sign_bundle(new, NEXT_ROOT)}\n"
    assert verify_bundle(lines, PINS) == new
    with pytest.raises(TrustError):  # without the line between
        verify_bundle(sign_bundle(new, NEXT_ROOT), PINS)
    with pytest.raises(TrustError):  # a root that has handed on signs no more
        verify_bundle(f"{lines}{by_root({'version': 9})}\n", PINS)
    back = sign_bundle(replace(old, version=8), ROOT), sign_bundle(replace(new, version=7), NEXT_ROOT)
    with pytest.raises(TrustError, match="version 7, and 8"):
        verify_bundle("\n".join(back), PINS)


@pytest.mark.parametrize("text", ["", "\n", "x", "a.b.c", "\n".join(["a.b.c"] * 17)])
def test_what_is_no_bundle(text: str) -> None:
    with pytest.raises(TrustError):
        verify_bundle(text, PINS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": None}, "version: is missing"),
        ({"version": 0}, "version: expected a whole number from 1"),
        ({"version": True}, "version: expected a whole number"),
        ({"version": 7.0}, "version: expected a whole number"),
        ({"extra": 1}, "'extra': is no member"),
        ({"exp": BUNDLE.issued}, "exp: expected a time after iat"),
        ({"dispatch": [{"x": DISPATCHER.public.x, "d": "A"}]}, "dispatch[0].'d': is no member"),
        ({"dispatch": [{"x": "A" * 42}]}, "dispatch[0].x: expected the 43 characters"),
        ({"dispatch": [{"x": "A" * 42 + "B"}]}, "spare bits"),
        ({"dispatch": [{"x": ROOT.public.x}]}, "a key stands in two places"),
        ({"registrars": [{"x": DISPATCHER.public.x}]}, "a key stands in two places"),
        ({"dispatch": [{"x": ALICE.public.x}]}, "a key stands in two places"),
        ({"dispatch": [{"x": DISPATCHER.public.x}] * 2}, "dispatch[1]: is there already"),
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
def test_another_shape_is_refused_with_its_place(changes: dict[str, object], said: str) -> None:
    with pytest.raises(TrustError) as refused:
        verify_bundle(by_root(changes), PINS)
    assert said in str(refused.value)


@given(st.data())
def test_no_character_of_it_can_be_another(data: st.DataObject) -> None:
    text = sign_bundle(BUNDLE, ROOT)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=0x7F).filter(lambda character: character != text[place]))
    with pytest.raises(TrustError):
        verify_bundle(text[:place] + other + text[place + 1 :], PINS)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (NOTICE_SECONDS + 1, None),
        (NOTICE_SECONDS, "the trust bundle 7 expires in 14 days; then only commands that read run"),
        (86_401, "the trust bundle 7 expires in 2 days; then only commands that read run"),
        (1, "the trust bundle 7 expires in 1 day; then only commands that read run"),
        (0, "the trust bundle 7 has expired: only commands that read are run"),
    ],
)
def test_its_end_is_said_fourteen_days_before(left: int, said: str | None) -> None:
    assert expiry_problem(BUNDLE, BUNDLE.expires - left) == said
    assert BUNDLE.expired(BUNDLE.expires - left) == (left == 0)


def test_a_key_ends_with_its_own_time() -> None:
    bundle = replace(BUNDLE, dispatch=(KeyEntry(DISPATCHER.public, NOW),))
    assert bundle.dispatcher(DISPATCHER.public.kid, NOW - 1) == DISPATCHER.public
    assert bundle.dispatcher(DISPATCHER.public.kid, NOW) is None
