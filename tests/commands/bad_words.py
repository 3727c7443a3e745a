"""Commands that are whole, and that no trust bundle or operator allows: rule 11."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.commands.bad_tokens import THIEFS_KEY, octets, one_bit_more
from tests.commands.good import SIXTEEN, WORD
from tests.commands.vectors import Vector, approved, header_of, sent
from tests.trust.forge import base64url, forge
from tests.trust.parties import (
    ALICE,
    BOB,
    BUNDLE,
    CAROL,
    DISPATCHER,
    LIST,
    NODE,
    NOW,
    OTHER_NODE,
    RFC_8037_SEED,
    ROOT,
    STOP,
    THIEF,
    seed,
    with_intent,
)
from warren.commands.command import Actor
from warren.commands.intent import MAX_LIFE_SECONDS
from warren.commands.intent import TYPE as INTENT
from warren.commands.signing import CommandEnvelope, sign_intent
from warren.jws import SigningKey

SIGNATURE, SCHEMA, POLICY = "INVALID_SIGNATURE", "SCHEMA_MISMATCH", "POLICY_DENIED"
NEEDED = "APPROVAL_REQUIRED"
USUAL = sent(WORD)
SAID = {
    "format": 1,
    "cluster": STOP.cluster,
    "verb": STOP.verb,
    "args": STOP.args,
    "targets": [*STOP.targets],
    "corr_id": STOP.corr_id,
    "iat": NOW,
    "exp": NOW + 3600,
    "bundle_min": 1,
}
HERS = header_of(ALICE, INTENT)


def policies() -> Iterator[Vector]:
    """Rule 11: the node's owner and the trust bundle."""
    yield Vector("policy: commands are off", USUAL, "EXEC_DISABLED", {"exec_enable": False})
    yield Vector("policy: commands are off, and it reads", sent(LIST), "EXEC_DISABLED", {"exec_enable": False})
    yield Vector("policy: another one", sent(WORD, policy_id="policy-2025-12"), POLICY)
    yield Vector("policy: the one before", USUAL, POLICY, {"bundle": "another policy"})
    yield Vector("policy: the bundle has expired", USUAL, POLICY, {"bundle": "expired"})
    yield Vector(
        "policy: a critical extension that is not understood", USUAL, POLICY, {"bundle": "critically extended"}
    )
    yield Vector(
        "policy: a critical extension that is not understood, and the operator is removed",
        sent(with_intent(LIST)),
        SIGNATURE,
        {"bundle": "critically extended, without alice"},
    )
    yield Vector("policy: the method key does not count", USUAL, POLICY, {"bundle": "by credential only"})
    yield Vector("policy: it needs others to sign", USUAL, "APPROVAL_REQUIRED", {"bundle": "approvals"})
    nobody = replace(LIST, actor=Actor("console", "OWNER"))
    yield Vector("role: one that there is not", sent(nobody), POLICY)
    viewer = with_intent(replace(STOP, actor=Actor("bob", "VIEWER")), BOB)
    yield Vector("role: one that may not", sent(viewer), POLICY)
    yield Vector(
        "role: one that the operator has not",
        sent(with_intent(replace(STOP, actor=Actor("bob", "ADMIN")), BOB)),
        POLICY,
    )
    yield Vector("role: another case", sent(with_intent(replace(STOP, actor=Actor("alice", "admin")))), POLICY)


def intents() -> Iterator[Vector]:
    """Rule 11: the operator's word."""
    yield Vector("intent: none, the dispatch key alone", sent(STOP), POLICY)
    for name, said in {
        "for another verb": LIST,
        "for other arguments": replace(STOP, args={"container_id": "ffffffffffff"}),
        "for an argument more": replace(STOP, args={**STOP.args, "force": True}),
        "for another corr_id": replace(STOP, corr_id="another-command"),
        "for another node": replace(STOP, targets=(OTHER_NODE.agent_id,)),
        "for every node": replace(STOP, targets=("*",)),
        "for another cluster": replace(STOP, cluster="home"),
    }.items():
        yield Vector(f"intent: {name}", sent(replace(STOP, intent=_word(said))), POLICY)
    wider = replace(STOP, targets=(NODE.agent_id, OTHER_NODE.agent_id), intent=WORD.intent)
    yield Vector("intent: for one node, dispatched to two", sent(wider), POLICY)
    yield Vector("intent: by another operator than the actor", sent(with_intent(STOP, BOB)), POLICY)
    swapped = replace(STOP, actor=Actor("bob", "VIEWER"), intent=WORD.intent)
    yield Vector("intent: by the operator, and the actor is another", sent(swapped), POLICY)


def signers() -> Iterator[Vector]:
    """An intent that is not signed by an operator, as an intent."""
    for name, key, label in (
        ("a thief", THIEF, "thief"),
        ("the dispatcher", DISPATCHER, None),
        ("the root", ROOT, "root"),
        ("the node itself", NODE.signing, "node, signing"),
        ("an operator whom no bundle has any more", CAROL, "carol, who was removed"),
    ):
        octets = RFC_8037_SEED if label is None else seed(label)
        yield Vector(f"intent: by {name}", _with_word(forge(header_of(key, INTENT), SAID, octets)), SIGNATURE)
    yield Vector("intent: its operator's key is not valid yet", USUAL, SIGNATURE, {"bundle": "not yet alice"})
    yield Vector("intent: its operator was removed by a newer bundle", USUAL, SIGNATURE, {"bundle": "without alice"})
    by_thief = forge(HERS, SAID, seed("thief"))
    yield Vector("intent: by a thief under the operator's kid", _with_word(by_thief), SIGNATURE)
    yield Vector("intent: of another type", _with_word(forge(header_of(ALICE), SAID, seed("alice"))), SIGNATURE)
    yield Vector(
        "intent: alg none",
        _with_word(forge(HERS | {"alg": "none"}, SAID, seed("alice"))),
        SIGNATURE,
    )
    by_itself = forge(header_of(THIEF, INTENT) | THIEFS_KEY, SAID, seed("thief"))
    yield Vector("intent: a key in its header", _with_word(by_itself), SIGNATURE)
    head, body, sign = str(WORD.intent).split(".")
    altered = base64url(json.dumps(SAID | {"args": {"container_id": "ffffffffffff"}}).encode())
    yield Vector(
        "intent: altered after it was signed",
        _with_word(f"{head}.{altered}.{sign}", args={"container_id": "ffffffffffff"}),
        SIGNATURE,
    )
    yield Vector("intent: spare bits", _with_word(one_bit_more(str(WORD.intent))), SIGNATURE)
    yield Vector("intent: two parts", _with_word(f"{head}.{body}"), SIGNATURE)
    yield Vector("intent: the command before for its intent", _with_word(USUAL), SIGNATURE)


def words() -> Iterator[Vector]:
    """An intent that an operator signed, and that does not hold."""
    for name, payload in {
        "a member twice": (json.dumps(SAID)[:-1] + f', "exp": {NOW + 9999}}}').encode(),
        "one more member": octets(SAID | {"roles": ["ADMIN"]}),
        "no exp": octets({key: value for key, value in SAID.items() if key != "exp"}),
        "no format": octets({key: value for key, value in SAID.items() if key != "format"}),
        "format of a later version": octets(SAID | {"format": 2}),
        "no cluster": octets({key: value for key, value in SAID.items() if key != "cluster"}),
        "no bundle_min": octets({key: value for key, value in SAID.items() if key != "bundle_min"}),
        "bundle_min a text": octets(SAID | {"bundle_min": "1"}),
        "no iat": octets({key: value for key, value in SAID.items() if key != "iat"}),
        "iat a text": octets(SAID | {"iat": str(NOW)}),
        "iat a fraction": octets(SAID | {"iat": NOW + 0.5}),
        "iat below zero": octets(SAID | {"iat": -1}),
        "exp a text": octets(SAID | {"exp": str(NOW + 60)}),
        "targets a text": octets(SAID | {"targets": NODE.agent_id}),
        "a list": b"[]",
    }.items():
        yield Vector(f"intent: {name}", _with_word(forge(HERS, payload, seed("alice"))), SCHEMA)
    for name, iat, exp in (
        ("it has expired", NOW - 60, NOW),
        ("it expired before", NOW - 60, NOW - 1),
        ("issued 61 s ahead", NOW + 61, NOW + 120),
        ("a lifetime of more than seven days", NOW, NOW + MAX_LIFE_SECONDS + 1),
        ("a lifetime of more than seven days, almost over", NOW - MAX_LIFE_SECONDS, NOW + 1),
        ("it expires when it is issued", NOW + 60, NOW + 60),
        ("it expires before it is issued", NOW + 60, NOW + 30),
    ):
        yield Vector(f"intent: {name}", sent(with_intent(STOP, iat=iat, exp=exp)), "EXPIRED_TOKEN")
    later = with_intent(STOP, bundle_min=BUNDLE.version + 1)
    yield Vector("intent: it needs a later bundle than this node has", sent(later), POLICY)
    bad_reader = replace(LIST, intent=_word(STOP))
    yield Vector("intent: of something else, where none is needed", sent(bad_reader), POLICY)


def approvals() -> Iterator[Vector]:
    """Rule 11: approvals of other operators."""
    one = {"bundle": "one approval"}
    yield Vector("approval: none, one is required", USUAL, NEEDED, one)
    yield Vector("approval: the author's own", sent(approved(WORD, ALICE)), NEEDED, one)
    yield Vector(
        "approval: of a role that does not count", sent(approved(WORD, BOB)), NEEDED, {"bundle": "approval of an admin"}
    )
    yield Vector(
        "approval: of one operator twice, two are required",
        sent(approved(WORD, BOB), approvals=SIXTEEN),
        NEEDED,
        {"bundle": "approvals"},
    )
    yield Vector("approval: a rejection", sent(approved(WORD, BOB, decision="reject")), NEEDED, one)
    yield Vector(
        "approval: of a removed operator", sent(approved(WORD, BOB)), SIGNATURE, {"bundle": "approval without bob"}
    )
    yield Vector("approval: without an intent", sent(replace(LIST, approvals=approved(WORD, BOB).approvals)), POLICY)
    other = approved(with_intent(replace(STOP, args={"container_id": "ffffffffffff"})), BOB)
    yield Vector("approval: of another intent", sent(replace(WORD, approvals=other.approvals)), POLICY, one)
    renewed = approved(with_intent(STOP, exp=NOW + 3601), BOB)
    yield Vector(
        "approval: of the same intent, signed again", sent(replace(WORD, approvals=renewed.approvals)), POLICY, one
    )
    for name, key in {
        "a thief": THIEF,
        "the dispatcher": DISPATCHER,
        "the node itself": NODE.signing,
        "the root": ROOT,
    }.items():
        yield Vector(f"approval: by {name}", sent(approved(WORD, key)), SIGNATURE, one)
    yield Vector("approval: the intent for it", sent(WORD, approvals=[WORD.intent]), SIGNATURE, one)
    yield Vector(
        "approval: the intent of another operator for it",
        sent(WORD, approvals=[with_intent(STOP, BOB).intent]),
        SIGNATURE,
        one,
    )
    yield Vector(
        "approval: an approval for the intent", sent(WORD, intent=approved(WORD, ALICE).approvals[0]), SIGNATURE
    )
    yield Vector(
        "approval: one is valid, one is a thief's",
        sent(WORD, approvals=[*approved(WORD, BOB, THIEF).approvals]),
        SIGNATURE,
        one,
    )
    differing: dict[str, dict[str, Any]] = {
        "another cluster": {"cluster": "home"},
        "another author": {"author": "bob"},
        "the digest of nothing": {"intent": "0" * 64},
    }
    for name, changes in differing.items():
        yield Vector(f"approval: {name}", sent(approved(WORD, BOB, **changes)), POLICY, one)
    malformed: dict[str, dict[str, Any]] = {
        "no format": {"format": None},
        "format of a later version": {"format": 2},
        "no decision": {"decision": None},
        "another decision": {"decision": "maybe"},
        "one more member": {"comment": "fine"},
        "the digest in capitals": {"intent": "A" * 64},
    }
    for name, changes in malformed.items():
        yield Vector(f"approval: {name}", sent(approved(WORD, BOB, **changes)), SCHEMA, one)
    for name, iat, exp in (
        ("it has expired", NOW - 60, NOW),
        ("issued 61 s ahead", NOW + 61, NOW + 120),
        ("issued 61 s before the intent", NOW - 61, NOW + 60),
        ("a lifetime of more than seven days", NOW, NOW + MAX_LIFE_SECONDS + 1),
        ("it expires when it is issued", NOW + 60, NOW + 60),
    ):
        yield Vector(f"approval: {name}", sent(approved(WORD, BOB, iat=iat, exp=exp)), "EXPIRED_TOKEN", one)


def _word(command: CommandEnvelope, key: SigningKey = ALICE) -> str:
    return sign_intent(command, key, iat=NOW, exp=NOW + 3600)


def _with_word(intent: str, **changes: object) -> str:
    return sent(STOP, intent=intent, **changes)


BAD_WORDS = (*policies(), *intents(), *signers(), *words(), *approvals())
