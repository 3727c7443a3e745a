"""The verifier: what it lets pass and says of it, and that nothing of a command can be another.

Each rule has its commands in `test_vectors.py`.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.commands.good import CREATE, PLAIN, WORD
from tests.commands.vectors import approved, claims, dispatched, sealed, sent
from tests.trust.forge import base64url, hpke_seal
from tests.trust.parties import (
    ALICE_SEALING,
    BOB,
    BUNDLE,
    CONTEXT,
    CORR_ID,
    DISPATCHER,
    LIST,
    NODE_SEALING,
    NOW,
    OTHER_NODE,
    OTHER_SEALING,
    SENDING,
    SID,
    STOP,
    THIEF,
    VERBS,
    seed,
    signed,
    with_intent,
)
from warren.commands.command import MAX_LIFE_SECONDS, Actor
from warren.commands.rejection import ProvenClaims, Rejected
from warren.commands.result import Code, CommandError
from warren.commands.sealing import ARGUMENT, DATA, check_args, open_args, open_data, seal_members, unsealer
from warren.commands.verify import split_frame, verify_command
from warren.trust.sealing import purpose

pytestmark = pytest.mark.unit


def test_command_with_intent_is_verified() -> None:
    text = signed(with_intent(STOP))
    command = verify_command(text, CONTEXT)
    assert command.envelope == text
    assert command.kid == DISPATCHER.public.kid
    assert (command.corr_id, command.nonce) == (CORR_ID, SENDING.nonce)
    assert (command.verb, command.args) == ("stop_container", {"container_id": "0123456789ab"})
    assert command.actor == Actor("alice", "ADMIN")
    assert (command.transport, command.sid, command.iat, command.exp) == ("local", SID, NOW, NOW + 60)
    assert command.has_intent
    assert command.min_level == "L0"


def test_read_only_command_needs_no_intent() -> None:
    command = verify_command(signed(LIST), CONTEXT)
    assert (command.verb, command.has_intent) == ("list_users", False)


def test_verified_command_has_the_bundles_level_and_pins() -> None:
    bundle = replace(BUNDLE, scripts={"panel_create": "0" * 64})
    command = verify_command(sent(with_intent(CREATE)), replace(CONTEXT, bundle=bundle))
    assert command.min_level == "L1"
    assert command.script_sha256 == {"panel_create": "0" * 64}


def test_retry_has_the_same_hash() -> None:
    """Row V-40: another nonce, another order of members, the same command; other arguments are another."""
    first = verify_command(sent(with_intent(CREATE)), CONTEXT).args_sha256
    args = dict(reversed([*CREATE.args.items()]))
    again = sent(with_intent(replace(CREATE, args=args)), nonce="nonce-0000000000000002")
    assert verify_command(again, CONTEXT).args_sha256 == first
    other = sent(with_intent(replace(CREATE, args={**CREATE.args, "username": "user124"})))
    assert verify_command(other, CONTEXT).args_sha256 != first


@pytest.mark.security
@given(st.data())
def test_changed_character_of_the_command_is_rejected(data: st.DataObject) -> None:
    """The issue's property, over every place of a command with its intent."""
    text = sent(WORD)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=0xFF).filter(lambda character: character != text[place]))
    with pytest.raises(Rejected) as refused:
        verify_command(text[:place] + other + text[place + 1 :], CONTEXT)
    assert refused.value.code == Code.INVALID_SIGNATURE
    assert refused.value.proven == ProvenClaims()


@pytest.mark.security
@given(st.data())
def test_changed_octet_of_the_intent_is_rejected(data: st.DataObject) -> None:
    """Also not by who has the dispatch key, and signs what came of it."""
    intent = str(WORD.intent)
    place = data.draw(st.integers(0, len(intent) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_.").filter(lambda character: character != intent[place]))
    with pytest.raises(Rejected) as refused:
        verify_command(sent(STOP, intent=intent[:place] + other + intent[place + 1 :]), CONTEXT)
    assert refused.value.code == Code.INVALID_SIGNATURE


@pytest.mark.security
@given(st.text(max_size=2000) | st.binary(max_size=500).map(base64url))
def test_junk_is_rejected_before_its_claims_are_read(text: str) -> None:
    for junk in (text, f"{text}.{text}.{text}", f"{sent(WORD)}{text or '.'}"):
        with pytest.raises(Rejected) as refused:
            verify_command(junk, CONTEXT)
        assert refused.value.code == Code.INVALID_SIGNATURE
        assert refused.value.proven == ProvenClaims()


@pytest.mark.security
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    st.sampled_from(sorted(claims(WORD))),
)
def test_any_signed_payload_is_accepted_or_rejected_with_a_code(value: object, name: str) -> None:
    """No value in the place of another, and no error but a refusal."""
    assume(value != claims(WORD)[name])
    if name in {"nonce", "iat", "exp"}:  # of which another one may be as good
        with suppress(Rejected):
            assert verify_command(dispatched({**claims(WORD), name: value}), CONTEXT).args == STOP.args
        return
    with pytest.raises(Rejected) as refused:
        verify_command(dispatched({**claims(WORD), name: value}), CONTEXT)
    assert refused.value.code != Code.NONE
    assert refused.value.proven.kid == DISPATCHER.public.kid


def test_rejection_has_only_proven_claims() -> None:
    whole = ProvenClaims(DISPATCHER.public.kid, CORR_ID, "stop_container", Actor("alice", "ADMIN"), SENDING.nonce)
    assert _facts(sent(STOP)) == whole
    assert _facts(sent(WORD, iat=0, exp=1)) == whole
    assert _facts(sent(WORD, nonce=7)) == replace(whole, nonce=None)
    assert _facts(sent(WORD, actor={"id": "alice"})) == replace(whole, actor=None)
    assert _facts(sent(WORD, verb="Nothing of ours")) == replace(whole, verb=None)
    assert _facts(dispatched(b"{")) == ProvenClaims(DISPATCHER.public.kid)
    assert _facts(sent(WORD)[:-1]) == ProvenClaims()


def _facts(text: str) -> ProvenClaims:
    with pytest.raises(Rejected) as refused:
        verify_command(text, CONTEXT)
    return refused.value.proven


@pytest.mark.parametrize(
    ("payload", "jws", "found"),
    [
        ("a.b.c", None, ("a.b.c", None)),
        ({"verb": "x"}, "a.b.c", ("a.b.c", {"verb": "x"})),
        ({"verb": "x"}, None, None),
        ("a.b.c", "a.b.c", None),
        (None, "a.b.c", None),
        ([], "a.b.c", None),
        ({"verb": "x"}, {"a": 1}, None),
    ],
)
def test_split_frame_accepts_token_or_token_with_object(payload: object, jws: object, found: object) -> None:
    """Row V-34: the bare object of the document is INVALID_SIGNATURE."""
    if found is not None:
        assert split_frame(payload, jws) == found
        return
    with pytest.raises(Rejected) as refused:
        split_frame(payload, jws)
    assert refused.value.code == Code.INVALID_SIGNATURE


def test_unsigned_object_is_rejected() -> None:
    with pytest.raises(Rejected) as refused:
        split_frame(json.loads(json.dumps(claims(PLAIN))))
    assert refused.value.code == Code.INVALID_SIGNATURE


def test_sealed_argument_opens_only_on_its_node() -> None:
    command = verify_command(sent(with_intent(CREATE)), CONTEXT)
    password = command.args["password"]
    assert isinstance(password, dict)
    text = password["sealed"]
    scope = command.secret_scope()
    assert unsealer(NODE_SEALING)(text, purpose(ARGUMENT, scope, "password")) == b"securepass123"
    for key, other, name in (
        (OTHER_SEALING, scope, "password"),
        (NODE_SEALING, scope, "username"),
        (NODE_SEALING, replace(scope, cluster="home"), "password"),
        (NODE_SEALING, replace(scope, node=OTHER_NODE.agent_id), "password"),
        (NODE_SEALING, replace(scope, verb="create_openvpn_user"), "password"),
        (NODE_SEALING, replace(scope, operator="bob"), "password"),
        (NODE_SEALING, replace(scope, corr_id="another-command"), "password"),
    ):
        with pytest.raises(ValueError, match="not sealed"):
            unsealer(key)(text, purpose(ARGUMENT, other, name))


def test_argument_sealed_by_version_1_is_rejected() -> None:
    """A ciphertext of the former `info`, which names neither the node nor the operator, does not open."""
    info = f"warren-seal-v1 arg {CORR_ID} password".encode()
    text = base64url(hpke_seal(b"securepass123", NODE_SEALING.public, info, seed("ephemeral")))
    args = {**CREATE.args, "password": {"sealed": text}}
    command = verify_command(sent(with_intent(replace(CREATE, args=args))), CONTEXT)
    with pytest.raises(CommandError, match="not sealed to this node for this command") as refused:
        open_args(command, VERBS["create_panel_user"], unsealer(NODE_SEALING))
    assert refused.value.code == Code.VALIDATION_FAILED


@pytest.mark.parametrize("transport", ["local", "channel"])
def test_plain_secret_is_rejected_on_other_transports_than_http(transport: str) -> None:
    schemas = VERBS["create_panel_user"].schemas
    with pytest.raises(CommandError, match="password: expected it sealed") as refused:
        check_args(schemas, PLAIN.args, transport)
    assert refused.value.code == Code.VALIDATION_FAILED
    assert "securepass123" not in str(refused.value)
    assert check_args(schemas, PLAIN.args, "http") == check_args(schemas, CREATE.args, "http") == schemas[0]


def test_sealed_field_opens_only_for_its_operator() -> None:
    answer = {"bootstrap_token": "a secret", "expires": 60}
    scope = STOP.secret_scope()
    sent_back = seal_members(answer, {"bootstrap_token"}, ALICE_SEALING.public, scope, DATA)
    assert "a secret" not in json.dumps(sent_back)
    assert open_data(sent_back, scope, ALICE_SEALING) == answer
    with pytest.raises(ValueError, match="not sealed"):
        open_data(sent_back, replace(scope, corr_id="another-command"), ALICE_SEALING)
    with pytest.raises(ValueError, match="not sealed"):
        open_data({"bootstrap_token": sealed("a secret", "bootstrap_token")}, scope, ALICE_SEALING)


def test_without_bundle_every_command_is_rejected() -> None:
    empty = replace(BUNDLE, dispatch=(), operators={})
    for text in (sent(LIST), sent(WORD), signed(LIST, THIEF)):
        with pytest.raises(Rejected) as refused:
            verify_command(text, replace(CONTEXT, bundle=empty))
        assert refused.value.code == Code.INVALID_SIGNATURE


def test_runner_accepts_queued_command_until_it_expires() -> None:
    """It has waited in the agent's queue; `exp` holds there as well."""
    runner = replace(CONTEXT, max_age_seconds=MAX_LIFE_SECONDS)
    text = sent(WORD, exp=NOW + 200)
    assert verify_command(text, replace(runner, now=NOW + 199)).corr_id == CORR_ID
    for now, node in ((NOW + 200, runner), (NOW + 61, CONTEXT), (NOW - 61, runner)):
        with pytest.raises(Rejected) as refused:
            verify_command(text, replace(node, now=now))
        assert refused.value.code == Code.EXPIRED_TOKEN


def test_verified_command_has_the_time_of_its_intent() -> None:
    """The single-use record compares it with its beginning, whatever approvals a dispatcher sends along."""
    early = approved(with_intent(STOP, iat=NOW), BOB, iat=NOW - 60)
    assert verify_command(sent(early), CONTEXT).intent_iat == NOW
