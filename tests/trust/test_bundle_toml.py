"""The policy file of a trust bundle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from warren.errors import TrustError
from warren.trust.bundle_toml import draft_policy, operator_table, parse_policy
from warren.trust.bundle_verify import sign_bundle, verify_bundle
from warren.trust.keyset import KeySet
from warren.trust.principals import KeyEntry, Operator

from .parties import ALICE, ALICE_SEALING, DISPATCHER, NEXT_ROOT, NOW, ROOT, WITNESS

pytestmark = pytest.mark.unit

ROLES = {"ADMIN": ("list_users", "delete_user"), "VIEWER": ("list_users",)}
DRAFT = draft_policy("office", DISPATCHER.public, ROLES, NOW)
WHOLE = DRAFT + operator_table(KeySet("alice", ALICE, ALICE_SEALING), ALICE_SEALING, ("ADMIN",))


def test_draft_with_operator_is_a_valid_policy() -> None:
    bundle = parse_policy(WHOLE, ROOT.public, NOW)
    assert (bundle.version, bundle.policy_id, bundle.issued) == (1, "policy-1", NOW)
    assert bundle.expires == NOW + 90 * 86_400
    assert bundle.roots == (ROOT.public,)
    assert bundle.dispatch == (KeyEntry(DISPATCHER.public),)
    assert bundle.operators == {"alice": Operator("alice", ("ADMIN",), ALICE.public, ALICE_SEALING.public)}
    assert bundle.allows("ADMIN", "delete_user")
    assert not bundle.allows("VIEWER", "delete_user")
    assert verify_bundle(sign_bundle(bundle, ROOT), [ROOT.public.kid]) == bundle


def test_draft_without_operator_allows_no_command() -> None:
    assert parse_policy(DRAFT, ROOT.public, NOW).operators == {}


def test_parse_policy_reads_expiry_of_keys_and_operators() -> None:
    text = (
        WHOLE.replace("[roles]", "expires = 2026-02-01T00:00:00Z\n\n[roles]") + "expires = 2026-03-01T00:00:00+01:00\n"
    )
    bundle = parse_policy(text, ROOT.public, NOW)
    assert bundle.dispatch[0].expires == NOW + 31 * 86_400
    assert bundle.operators["alice"].expires == NOW + 59 * 86_400 - 3600


def test_parse_policy_adds_signing_root_to_roots() -> None:
    text = f'roots = ["{NEXT_ROOT.public.x}"]\n{WHOLE}'
    assert parse_policy(text, ROOT.public, NOW).roots == (ROOT.public, NEXT_ROOT.public)
    both = replace(parse_policy(text, ROOT.public, NOW), roots=(ROOT.public, NEXT_ROOT.public))
    assert parse_policy(text, ROOT.public, NOW) == both


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "", "version: missing"),
        ("version = 1", 'version = "1"', "version: expected a whole number"),
        ("version = 1", "version = 1\niat = 1", "iat: not allowed in a policy file; signing sets it"),
        ("expires =", "exp = 1 #", "exp: not allowed in a policy file; expected expires"),
        ("expires =", "# ", "expires: missing"),
        ("expires =", "expires = 2027-01-01T00:00:00 #", "expires: expected a date and time with a UTC offset"),
        ("expires =", 'expires = "soon" #', "expires: expected a date and time with a UTC offset"),
        ('x = "', 'key = "', "dispatch[0].x: missing"),
        ('roles = ["ADMIN"]', 'roles = ["OWNER"]', "operators.alice: the role OWNER is not in roles"),
        ("sealing", "sealed", "operators.alice.sealing: missing"),
        ("[operators]", "[operators", "line"),
        ("policy_id", "policy", "policy_id: missing"),
        ("version = 1", "version = 1\nversion = 2", "overwrite"),
    ],
)
def test_parse_policy_rejects_mistake_with_location(old: str, new: str, message: str) -> None:
    assert old in WHOLE
    with pytest.raises(TrustError) as refused:
        parse_policy(WHOLE.replace(old, new, 1), ROOT.public, NOW)
    assert message in str(refused.value)


def test_parse_policy_reads_the_start_of_keys_and_the_witness() -> None:
    text = (
        WHOLE.replace("[roles]", "not_before = 2026-01-02T00:00:00Z\n\n[roles]") + "not_before = 2026-01-03T00:00:00Z\n"
    )
    text += f'\n[[witness]]\nx = "{WITNESS.public.x}"\nexpires = 2027-01-01T00:00:00Z\n'
    bundle = parse_policy(text, ROOT.public, NOW)
    assert bundle.dispatch[0].not_before == NOW + 86_400
    assert bundle.operators["alice"].not_before == NOW + 2 * 86_400
    assert bundle.witness == (KeyEntry(WITNESS.public, NOW + 365 * 86_400),)
    assert (bundle.cluster, bundle.root_threshold) == ("office", 1)
