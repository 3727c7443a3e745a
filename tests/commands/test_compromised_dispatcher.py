"""A thief who has all that a controller holds, and no operator's key, has nothing done that no operator has asked for.

What is stolen: both dispatch keys, the registrar's, the TLS key, the database with every intent that operators ever
signed and every bundle that a root ever signed, and the wire. What is not: the keys of operators, of the root, of
nodes. The thief may send an operator's word a second time: its `corr_id` is the same, and single use sees that.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.commands.good import CREATE
from tests.commands.vectors import BUNDLES, claims, header_of
from tests.trust.forge import base64url, forge
from tests.trust.parties import (
    ALICE,
    BOB,
    BUNDLE,
    CAROL,
    CONTEXT,
    DISPATCHER,
    LIST,
    NEXT_DISPATCHER,
    NODE,
    NODE_SEALING,
    NOW,
    OTHER_NODE,
    REGISTRAR,
    RFC_8037_SEED,
    ROOT,
    STOP,
    THIEF,
    VERBS,
    seed,
    with_intent,
)
from warren.commands.command import Actor
from warren.commands.intent import TYPE as INTENT
from warren.commands.rejection import Rejected
from warren.commands.signing import CommandEnvelope
from warren.commands.verify import Context, verify_command
from warren.errors import TrustError
from warren.jws import SigningKey, payload_of
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_json import bundle_members
from warren.trust.bundle_verify import TYPE as TRUST
from warren.trust.bundle_verify import sign_bundle, verify_bundle
from warren.trust.principals import Operator

pytestmark = [pytest.mark.unit, pytest.mark.security]

STOLEN: Mapping[str, bytes] = {
    "dispatch": RFC_8037_SEED,
    "next dispatch": seed("next dispatcher"),
    "registrar": seed("registrar"),
    "tls": seed("tls"),
    "his own": seed("thief"),
}
KNOWN = [DISPATCHER, NEXT_DISPATCHER, REGISTRAR, THIEF, ALICE, BOB, CAROL, ROOT, NODE.signing]
"""Whose thumbprints everybody can see; of the later ones the thief has that alone."""
OPERATORS = [Actor("alice", "ADMIN"), Actor("bob", "VIEWER"), Actor("bob", "ADMIN"), Actor("carol", "ADMIN")]

OVERHEARD: tuple[tuple[CommandEnvelope, SigningKey, int], ...] = (
    (STOP, ALICE, NOW + 3600),
    (replace(STOP, corr_id="of-yesterday", args={"container_id": "ffffffffffff"}), ALICE, NOW - 1),
    (replace(STOP, corr_id="for-another", targets=(OTHER_NODE.agent_id,)), ALICE, NOW + 3600),
    (replace(CREATE, corr_id="of-a-viewer", actor=Actor("bob", "VIEWER")), BOB, NOW + 3600),
    (replace(LIST, corr_id="to-read"), ALICE, NOW + 3600),
    (replace(STOP, corr_id="of-carol", actor=Actor("carol", "ADMIN")), CAROL, NOW + 3600),
)
TARGETS = ["*", NODE.agent_id, OTHER_NODE.agent_id]
INTENTS = [str(with_intent(command, key, exp, exp - 3600).intent) for command, key, exp in OVERHEARD]
WISHES = (
    replace(STOP, corr_id="a-wish", args={"container_id": "bbbbbbbbbbbb"}),
    replace(STOP, args={"container_id": "bbbbbbbbbbbb"}),
    replace(CREATE, corr_id="a-wish"),
    *(command for command, _, _ in OVERHEARD),
)
ASKED = {
    (command.verb, json.dumps(dict(command.args)), command.corr_id)
    for command, key, exp in OVERHEARD
    if exp > NOW and key is ALICE and NODE.agent_id in command.targets
}
"""What operators who may have asked of this node, and what still counts."""


def gets(text: str, context: Context = CONTEXT) -> bool:
    """Whether the thief has his way: a state changes, and no operator has asked for that."""
    try:
        command = verify_command(text, context)
    except Rejected:
        return False
    asked = (command.verb, json.dumps(dict(command.args)), command.corr_id) in ASKED
    return not VERBS[command.verb].read_only and not asked


def words(wish: CommandEnvelope) -> Iterator[str | None]:
    """Everything that can stand for an operator's word of it."""
    said = {
        "format": 1,
        "cluster": wish.cluster,
        "bundle_min": 1,
        "verb": wish.verb,
        "args": dict(wish.args),
        "targets": [*wish.targets],
        "corr_id": wish.corr_id,
    }
    payload = {**said, "iat": NOW, "exp": NOW + 3600}
    yield None
    yield from INTENTS
    for key, known in itertools.product(STOLEN.values(), KNOWN):
        yield forge(header_of(known, INTENT), payload, key)
    for key in STOLEN.values():
        yield forge(
            {**header_of(ALICE, INTENT), "jwk": {"kty": "OKP", "crv": "Ed25519", "x": THIEF.public.x}}, payload, key
        )
        yield forge({**header_of(ALICE, INTENT), "alg": "EdDSA"}, payload, key)
        yield forge(header_of(DISPATCHER), claims(wish), key)
    for intent in INTENTS:
        head, body, sign = intent.split(".")
        yield f"{head}.{base64url(json.dumps(payload).encode())}.{sign}"
        yield f"{head}.{body}."
        yield f"{base64url(json.dumps({**header_of(ALICE, INTENT), 'alg': 'none'}).encode())}.{body}."


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: f"{wish.verb} {wish.corr_id}")
def test_stolen_keys_cannot_sign_an_intent(wish: CommandEnvelope) -> None:
    hands = ((header_of(DISPATCHER), "dispatch"), (header_of(NEXT_DISPATCHER), "next dispatch"))
    for word, actor in itertools.product(words(wish), (wish.actor, *OPERATORS)):
        payload = claims(replace(wish, actor=actor, intent=word, targets=(NODE.agent_id,)))
        for header, key in hands:
            assert not gets(forge(header, payload, STOLEN[key]))


def test_only_intended_commands_are_accepted() -> None:
    """The thief's tools work: what they send of a true word is taken, and once only, by its `corr_id`."""
    text = forge(header_of(DISPATCHER), claims(replace(STOP, intent=INTENTS[0])), STOLEN["dispatch"])
    assert verify_command(text, CONTEXT).corr_id == STOP.corr_id
    assert len(ASKED) == 2


@given(
    wish=st.sampled_from(WISHES),
    parts=st.lists(st.sampled_from([part for intent in INTENTS for part in intent.split(".")]), min_size=3, max_size=3),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "corr_id": st.sampled_from([command.corr_id for command, _, _ in OVERHEARD]),
            "args": st.sampled_from([dict(command.args) for command, _, _ in OVERHEARD]),
            "agent_targets": st.lists(
                st.sampled_from(["*", NODE.agent_id, OTHER_NODE.agent_id]), min_size=1, unique=True
            ),
            "policy_id": st.sampled_from([BUNDLE.policy_id, "policy-2026-02"]),
            "actor": st.sampled_from([{"id": each.id, "role": each.role} for each in OPERATORS]),
            "verb": st.sampled_from(sorted(VERBS)),
        },
    ),
    whole=st.none() | st.sampled_from(INTENTS),
)
def test_recombined_recorded_tokens_are_rejected(
    wish: CommandEnvelope, parts: list[str], changes: dict[str, object], whole: str | None
) -> None:
    payload = {**claims(wish), **changes, "intent": whole or ".".join(parts)}
    assert not gets(forge(header_of(DISPATCHER), payload, STOLEN["dispatch"]))


def test_forged_bundle_is_rejected() -> None:
    """He names himself an operator, with every key that he has and every root that he has not."""
    himself = Operator("thief", ("ADMIN",), THIEF.public, NODE_SEALING.public)
    bundle = replace(BUNDLE, version=99, operators={**BUNDLE.operators, "thief": himself})
    for key, known in itertools.product(STOLEN.values(), KNOWN):
        own = SigningKey(key)
        for members in (
            bundle_members(bundle),
            bundle_members(replace(bundle, roots=(ROOT.public, own.public))),
            bundle_members(replace(bundle, roots=(own.public,))),
        ):
            for text in (forge(header_of(known, TRUST), members, key), own.sign(payload_of(members), TRUST)):
                for lines in (text, f"{sign_bundle(BUNDLE, ROOT)}\n{text}"):
                    with pytest.raises(TrustError):
                        verify_bundle(lines, (ROOT.public.kid,), BUNDLE.version)


def test_older_bundle_is_rejected() -> None:
    """Her key has got out, and she was removed: with the older bundle alone it would count again."""
    hers = Operator("carol", ("ADMIN",), CAROL.public, NODE_SEALING.public)
    older = replace(BUNDLE, version=BUNDLE.version - 1, operators={**BUNDLE.operators, "carol": hers})
    word = INTENTS[5]
    wish = replace(STOP, corr_id="of-carol", actor=Actor("carol", "ADMIN"), intent=word)
    text = forge(header_of(DISPATCHER), claims(wish), STOLEN["dispatch"])
    assert gets(text, replace(CONTEXT, bundle=older))
    assert not gets(text)
    with pytest.raises(TrustError, match="version 6 is lower than the known version 7"):
        verify_bundle(sign_bundle(older, ROOT), (ROOT.public.kid,), BUNDLE.version)


@pytest.mark.parametrize("bundle", [each for name, each in BUNDLES.items() if name != "usual"])
def test_no_recorded_bundle_authorizes_the_dispatcher(bundle: TrustBundle) -> None:
    for wish in WISHES:
        for word in (None, *INTENTS):
            payload = claims(replace(wish, intent=word, policy_id=bundle.policy_id))
            for key, header in (("dispatch", DISPATCHER), ("next dispatch", NEXT_DISPATCHER)):
                text = forge(header_of(header), payload, STOLEN[key])
                assert not gets(text, replace(CONTEXT, bundle=bundle))
