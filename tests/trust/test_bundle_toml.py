"""The bundle as an operator writes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from warren.errors import TrustError
from warren.trust.bundle_toml import draft, operator_table, read_source
from warren.trust.bundle_verify import sign_bundle, verify_bundle
from warren.trust.keyset import KeySet
from warren.trust.principals import KeyEntry, Operator

from .parties import ALICE, ALICE_SEALING, DISPATCHER, NEXT_ROOT, NOW, ROOT

pytestmark = pytest.mark.unit

ROLES = {"ADMIN": ("list_users", "delete_user"), "VIEWER": ("list_users",)}
DRAFT = draft(DISPATCHER.public, ROLES, NOW)
WHOLE = DRAFT + operator_table(KeySet("alice", ALICE, ALICE_SEALING), ALICE_SEALING, ("ADMIN",))


def test_a_draft_and_an_operator_make_a_bundle() -> None:
    bundle = read_source(WHOLE, ROOT.public, NOW)
    assert (bundle.version, bundle.policy_id, bundle.issued) == (1, "policy-1", NOW)
    assert bundle.expires == NOW + 90 * 86_400
    assert bundle.roots == (ROOT.public,)
    assert bundle.dispatch == (KeyEntry(DISPATCHER.public),)
    assert bundle.operators == {"alice": Operator("alice", ("ADMIN",), ALICE.public, ALICE_SEALING.public)}
    assert bundle.allows("ADMIN", "delete_user")
    assert not bundle.allows("VIEWER", "delete_user")
    assert verify_bundle(sign_bundle(bundle, ROOT), [ROOT.public.kid]) == bundle


def test_a_draft_alone_is_one_by_which_nobody_commands() -> None:
    assert read_source(DRAFT, ROOT.public, NOW).operators == {}


def test_what_ends_is_written_as_a_date() -> None:
    text = (
        WHOLE.replace("[roles]", "expires = 2026-02-01T00:00:00Z\n\n[roles]") + "expires = 2026-03-01T00:00:00+01:00\n"
    )
    bundle = read_source(text, ROOT.public, NOW)
    assert bundle.dispatch[0].expires == NOW + 31 * 86_400
    assert bundle.operators["alice"].expires == NOW + 59 * 86_400 - 3600


def test_the_next_root_may_stand_in_it() -> None:
    text = f'roots = ["{NEXT_ROOT.public.x}"]\n{WHOLE}'
    assert read_source(text, ROOT.public, NOW).roots == (ROOT.public, NEXT_ROOT.public)
    both = replace(read_source(text, ROOT.public, NOW), roots=(ROOT.public, NEXT_ROOT.public))
    assert read_source(text, ROOT.public, NOW) == both


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "", "version: is missing"),
        ("version = 1", 'version = "1"', "version: expected a whole number"),
        ("version = 1", "version = 1\niat = 1", "iat: stands in no such file; signing says when"),
        ("expires =", "exp = 1 #", "exp: stands in no such file; expected expires"),
        ("expires =", "# ", "expires: is missing"),
        ("expires =", "expires = 2027-01-01T00:00:00 #", "expires: expected a date and time with its zone"),
        ("expires =", 'expires = "soon" #', "expires: expected a date and time with its zone"),
        ('x = "', 'key = "', "dispatch[0].x: is missing"),
        ('roles = ["ADMIN"]', 'roles = ["OWNER"]', "operators.alice: the role OWNER is not in roles"),
        ("sealing", "sealed", "operators.alice.sealing: is missing"),
        ("[operators]", "[operators", "line"),
        ("policy_id", "policy", "policy_id: is missing"),
        ("version = 1", "version = 1\nversion = 2", "overwrite"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(TrustError) as refused:
        read_source(WHOLE.replace(old, new, 1), ROOT.public, NOW)
    assert said in str(refused.value)
