"""A command that is verified twice by one object: what it remembers changes no verdict, at whatever node state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.commands.good import WORD
from tests.commands.vectorfiles import BAD, GOOD
from tests.commands.vectors import BUNDLES, Vector, approved, sent
from tests.commands.webauthn import Signing, by
from tests.trust.parties import ALICE, BOB, BUNDLE, CONTEXT, DISPATCHER, NOW, THIEF
from tests.trust.vectors import HOSTED_KEY, LOCAL_KEY
from warren.commands.command import VerifiedCommand
from warren.commands.rejection import ProvenClaims, Rejected
from warren.commands.result import Code
from warren.commands.signed_command import SignedCommand, signed_command
from warren.commands.signed_text import SignedAssertion, SignedToken
from warren.commands.verify import Context, verify_command, verify_signed
from warren.jws import JwsError, VerifyingKey
from warren.trust.bundle import TrustBundle
from warren.trust.principals import KeyEntry
from warren.trust.webauthn_key import WebauthnKey

pytestmark = [pytest.mark.unit, pytest.mark.security]

Outcome = VerifiedCommand | tuple[Code, str, ProvenClaims]
APPROVED = replace(CONTEXT, bundle=BUNDLES["one approval"])
CREDENTIALS = replace(CONTEXT, bundle=BUNDLES["credentials, also hosted"])


def contexts(first: Context) -> Iterator[Context]:
    """Yield what a node can have become while a command was queued."""
    for bundle in (None, *BUNDLES.values()):
        yield replace(first, bundle=bundle)
    for now in (NOW - 86_400, NOW - 61, NOW + 59, NOW + 60, NOW + 300, NOW + 3_601, NOW + 90 * 86_400):
        yield replace(first, now=now, max_age_seconds=300)
    yield replace(first, exec_enable=False)
    yield replace(first, requires_intent=True)
    yield replace(first, sid="another session")
    yield replace(first, transport="channel")
    yield replace(first, agent_id="gateway-002")
    yield replace(first, verbs={})


def outcome(command: SignedCommand | str, context: Context) -> Outcome:
    try:
        if isinstance(command, str):
            return verify_command(command, context)
        return verify_signed(command, context)
    except Rejected as error:
        return error.code, str(error), error.proven


def with_kid(octets: bytes, kid: str) -> VerifyingKey:
    """Return a key that is listed under the thumbprint of another."""
    key = VerifyingKey(octets)
    key.__dict__["kid"] = kid
    assert key.kid == kid
    return key


def alice(**changes: Any) -> TrustBundle:
    """Return a bundle in which alice's entry is changed."""
    return replace(BUNDLE, operators={**BUNDLE.operators, "alice": replace(BUNDLE.operators["alice"], **changes)})


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the signatures that are verified, in their order."""
    types: list[str] = []

    def count(kind: Any) -> None:
        verify = kind._verify

        def counted(signed: Any, key: Any) -> bytes:
            types.append(signed.typ)
            octets: bytes = verify(signed, key)
            return octets

        monkeypatch.setattr(kind, "_verify", counted)

    count(SignedToken)
    count(SignedAssertion)
    return types


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector.name)
def test_second_verification_decides_as_the_first_one_would(vector: Vector) -> None:
    verified = [0, 0]
    for later in contexts(vector.context()):
        command = signed_command(vector.text)
        verify_signed(command, vector.context())
        expected = outcome(vector.text, later)
        assert outcome(command, later) == expected
        assert outcome(command, vector.context()) == outcome(vector.text, vector.context()), "as nothing has changed"
        verified[isinstance(expected, VerifiedCommand)] += 1
    assert all(verified), "the contexts decide differently"


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector.name)
def test_rejected_command_stays_rejected(vector: Vector) -> None:
    command = signed_command(vector.text)
    for _ in range(2):
        with pytest.raises(Rejected) as refused:
            verify_signed(command, vector.context(), vector.beside)
        assert refused.value.code == vector.code


def test_rejected_command_is_verified_anew_where_it_is_right() -> None:
    command = signed_command(sent(WORD))
    for bundle in (None, BUNDLES["rotated"], BUNDLES["without alice"]):
        with pytest.raises(Rejected):
            verify_signed(command, replace(CONTEXT, bundle=bundle))
    assert verify_signed(command, CONTEXT) == verify_command(command.text, CONTEXT)


def test_signature_is_verified_once_for_each_key(verifications: list[str]) -> None:
    command = signed_command(sent(approved(WORD, BOB)))
    first = verify_signed(command, APPROVED)
    types = ["warren-cmd+jws", "warren-intent+jws", "warren-approval+jws"]
    assert verifications == types
    again = replace(BUNDLES["one approval"], version=30, policy_id=BUNDLE.policy_id)
    assert verify_signed(command, replace(APPROVED, bundle=again, now=NOW + 1)) == first
    assert verifications == types
    verify_command(command.text, APPROVED)
    assert verifications == 2 * types, "another object remembers nothing"


def test_assertion_is_verified_once_for_each_credential(verifications: list[str]) -> None:
    command = signed_command(by(Signing(HOSTED_KEY)))
    first = verify_signed(command, CREDENTIALS)
    assert verify_signed(command, CREDENTIALS) == first
    assert verifications == ["warren-cmd+jws", "warren-intent+webauthn"]


@pytest.mark.parametrize(
    ("bundle", "problem"),
    [
        (
            replace(BUNDLE, dispatch=(KeyEntry(with_kid(THIEF.public.octets, DISPATCHER.public.kid)),)),
            "command: signature is invalid",
        ),
        (alice(signing=with_kid(THIEF.public.octets, ALICE.public.kid)), "intent: signature is invalid"),
        (alice(signing=THIEF.public), "intent: key belongs to no operator of trust bundle 7"),
        (alice(signing=None), "intent: key belongs to no operator of trust bundle 7"),
        (replace(BUNDLE, dispatch=(KeyEntry(THIEF.public),)), r"command: key is not trusted to sign a warren-cmd\+jws"),
        (
            replace(BUNDLE, dispatch=(KeyEntry(DISPATCHER.public, expires=NOW),)),
            "command: key is not trusted to sign a warren-cmd\\+jws",
        ),
    ],
    ids=["dispatch kid reused", "operator kid reused", "operator key", "no operator key", "dispatch key", "validity"],
)
def test_signature_of_another_key_does_not_count(bundle: TrustBundle, problem: str) -> None:
    command = signed_command(sent(WORD))
    verify_signed(command, CONTEXT)
    for _ in range(2):
        with pytest.raises(Rejected, match=problem) as refused:
            verify_signed(command, replace(CONTEXT, bundle=bundle))
        assert refused.value.code is Code.INVALID_SIGNATURE
    assert verify_signed(command, CONTEXT).corr_id == WORD.corr_id, "the key is trusted again"


def test_approval_by_a_reused_kid_does_not_count() -> None:
    command = signed_command(sent(approved(WORD, BOB)))
    verify_signed(command, APPROVED)
    bob = replace(BUNDLE.operators["bob"], signing=with_kid(THIEF.public.octets, BOB.public.kid))
    reused = replace(BUNDLES["one approval"], operators={**BUNDLE.operators, "bob": bob})
    with pytest.raises(Rejected, match="approval: signature is invalid"):
        verify_signed(command, replace(APPROVED, bundle=reused))


@pytest.mark.parametrize(
    "entry",
    [
        replace(HOSTED_KEY, origins=("https://other.example.com",)),
        replace(HOSTED_KEY, rp_id="console.example.com"),
        replace(HOSTED_KEY, synced=False),
    ],
    ids=["origins", "RP ID", "synced"],
)
def test_credential_counts_as_it_is_entered_now(entry: WebauthnKey) -> None:
    command = signed_command(by(Signing(HOSTED_KEY, flags=0x1D)))
    verify_signed(command, CREDENTIALS)
    operator = replace(BUNDLE.operators["alice"], webauthn={"laptop": LOCAL_KEY, "phone": entry})
    bundle = replace(BUNDLES["credentials, also hosted"], operators={**BUNDLE.operators, "alice": operator})
    expected = outcome(command.text, replace(CREDENTIALS, bundle=bundle))
    assert not isinstance(expected, VerifiedCommand)
    assert outcome(command, replace(CREDENTIALS, bundle=bundle)) == expected


def test_claims_are_given_to_no_key_that_has_not_verified_them() -> None:
    command = signed_command(sent(WORD))
    command.claims(DISPATCHER.public)
    for key in (None, THIEF.public, with_kid(THIEF.public.octets, DISPATCHER.public.kid)):
        with pytest.raises(JwsError):
            command.claims(key)


def test_arguments_cannot_be_changed_in_between() -> None:
    command = signed_command(sent(WORD))
    args = verify_signed(command, CONTEXT).args
    with pytest.raises(TypeError):
        args["container_id"] = "ffffffffffff"  # type: ignore[index]
    assert verify_signed(command, CONTEXT).args == WORD.args
