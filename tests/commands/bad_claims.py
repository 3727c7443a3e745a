"""Commands that the dispatcher signed and a node refuses for what they claim: rules 5 to 10."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.commands.good import CREATE, SIXTEEN, WORD
from tests.commands.vectors import Vector, claims, dispatched, sealed, sent
from tests.trust.forge import base64url
from tests.trust.parties import LIST, NODE, NOW, OTHER_NODE, STOP, with_intent
from warren.commands.signing import CommandEnvelope

SIGNATURE, SCHEMA, POLICY = "INVALID_SIGNATURE", "SCHEMA_MISMATCH", "POLICY_DENIED"
USUAL = sent(WORD)
TEXT = json.dumps(claims(WORD))
SEALED = sealed("securepass123", "password")
CYRILLIC_S = "\u0455"
VERBS = (
    "reboot",
    "run",
    "*",
    "__class__",
    "Stop_container",
    "stop-container",
    "stop_container ",
    "stop_container\n",
    f"{CYRILLIC_S}top_container",
)
CLAIMS: Mapping[str, Mapping[str, object]] = {
    "format of a later version": {"format": 2},
    "format of a later version, with one more member": {"format": 2, "later": True},
    "format a text": {"format": "1"},
    "format true": {"format": True},
    "cluster a number": {"cluster": 1},
    "cluster empty": {"cluster": ""},
    "cluster in capitals": {"cluster": "Office"},
    "approvals a text": {"approvals": str(WORD.intent)},
    "approvals with a number": {"approvals": [1]},
    "seventeen approvals": {"approvals": [*SIXTEEN, f"{SIXTEEN[0]}A"]},
    "an approval twice": {"approvals": [SIXTEEN[0], SIXTEEN[0]]},
    "one more member": {"admin": True},
    "a claim of JWT": {"aud": NODE.agent_id},
    "corr_id with a blank": {"corr_id": "a b"},
    "corr_id empty": {"corr_id": ""},
    "corr_id of 129": {"corr_id": "x" * 129},
    "corr_id a number": {"corr_id": 7},
    "verb a list": {"verb": ["stop_container"]},
    "verb empty": {"verb": ""},
    "args a list": {"args": []},
    "args a text": {"args": "{}"},
    "actor a text": {"actor": "alice"},
    "actor with one more member": {"actor": {"id": "alice", "role": "ADMIN", "auth": "none"}},
    "actor without a role": {"actor": {"id": "alice"}},
    "actor of nobody": {"actor": {"id": "", "role": "ADMIN"}},
    "policy_id a number": {"policy_id": 1},
    "nonce of 15": {"nonce": "n" * 15},
    "nonce a number": {"nonce": 1234567890123456},
    "nonce with a blank": {"nonce": "nonce 0000000000001"},
    "iat a text": {"iat": str(NOW)},
    "iat a fraction": {"iat": NOW + 0.5},
    "iat with a point": {"iat": float(NOW)},
    "iat true": {"iat": True},
    "exp below zero": {"exp": -1},
    "agent_targets a text": {"agent_targets": NODE.agent_id},
    "agent_targets empty": {"agent_targets": []},
    "agent_targets twice the same": {"agent_targets": [NODE.agent_id, NODE.agent_id]},
    "agent_targets with a list": {"agent_targets": [[NODE.agent_id]]},
    "agent_targets of 65": {"agent_targets": [f"gateway-{number}" for number in range(65)]},
    "transport of none": {"transport": "serial"},
    "transport a list": {"transport": ["local"]},
    "sid with a blank": {"sid": "a b"},
    "intent an object": {"intent": {"verb": "stop_container"}},
    "intent a list": {"intent": [WORD.intent]},
    "intent empty": {"intent": ""},
}


def readings() -> Iterator[Vector]:
    """Rule 5: JSON of one reading."""
    usual = TEXT[:-1]
    for name, payload in {
        "a member twice": f'{usual}, "verb": "list_users"}}',
        "a member twice, once in escapes": f'{usual}, "\\u0076erb": "list_users"}}',
        "a member twice, the same": f'{usual}, "transport": "local"}}',
        "an argument twice": TEXT.replace('"args": {', '"args": {"container_id": "ffffffffffff", '),
        "the actor's role twice": TEXT.replace('"actor": {', '"actor": {"role": "VIEWER", '),
        "a list": f"[{TEXT}]",
        "a text": json.dumps(TEXT),
        "null": "null",
        "no JSON": "verb=list_users",
        "a comma too many": f"{usual},}}",
        "a comment": f"{usual}/* */}}",
        "something after it": f"{TEXT}{TEXT}",
        "a mark of byte order": f"\ufeff{TEXT}",
        "NaN": TEXT.replace(str(NOW + 60), "NaN"),
        "Infinity": TEXT.replace(str(NOW + 60), "Infinity"),
        "a number beyond all": TEXT.replace(str(NOW + 60), "1e999"),
        "a number of 20 digits": TEXT.replace(str(NOW + 60), "17672256600000000000"),
        "17 levels": f'{usual}, "deep": {"[" * 16}{"]" * 16}}}',
        "20,000 levels": "[" * 20_000,
        "half a character": TEXT.replace("0123456789ab", "\\ud800"),
        "a line's end within a text": TEXT.replace("0123456789ab", "0123\n456789ab"),
    }.items():
        yield Vector(f"payload: {name}", dispatched(payload.encode()), SCHEMA)
    yield Vector("payload: not UTF-8", dispatched(TEXT.encode().replace(b"0123456789ab", b"\xff\xfe")), SCHEMA)
    yield Vector("payload: UTF-16", dispatched(TEXT.encode("utf-16")), SCHEMA)


def claimed() -> Iterator[Vector]:
    """Rule 6: the closed schema; and the object beside it."""
    for name in claims(STOP):
        yield Vector(f"claims: no {name}", sent(WORD, **{name: None}), SCHEMA)
    for name, changes in CLAIMS.items():
        yield Vector(f"claims: {name}", sent(WORD, **changes), SCHEMA)
    null = dispatched(claims(STOP) | {"intent": None})
    yield Vector("claims: intent null", null, SCHEMA)


def beside() -> Iterator[Vector]:
    """An object that came with a command and is not what was signed."""
    for name, found in {
        "another argument": claims(WORD, args={"container_id": "ffffffffffff"}),
        "a member less": claims(STOP),
        "a member more": claims(WORD, extra=1),
        "true for a number": claims(WORD, iat=True),
        "a number with a point": claims(WORD, iat=float(NOW)),
        "nothing in it": {},
    }.items():
        yield Vector(f"beside it: {name}", USUAL, SIGNATURE, beside=found)


def targets() -> Iterator[Vector]:
    """Rule 7: this node, to the letter."""
    for name, found in {
        "another node": [OTHER_NODE.agent_id],
        "a wildcard": ["*"],
        "a pattern": ["gateway-*"],
        "another case": [NODE.agent_id.upper()],
        "a blank after it": [f"{NODE.agent_id} "],
        "its beginning": [NODE.agent_id[:-1]],
        "more than it": [f"{NODE.agent_id}0"],
        "two in one": [f"{NODE.agent_id},{OTHER_NODE.agent_id}"],
    }.items():
        command = with_intent(replace(STOP, targets=tuple(found)))
        yield Vector(f"target: {name}", sent(command), POLICY)
    for name, changes in {
        "of another cluster": {"cluster": "home"},
        "of a cluster within": {"cluster": "offic"},
    }.items():
        yield Vector(f"target: {name}", sent(WORD, **changes), POLICY)
    elsewhere = with_intent(replace(STOP, cluster="home"))
    yield Vector("target: of another cluster, as the operator says too", sent(elsewhere), POLICY)
    yield Vector("target: at another node", USUAL, POLICY, {"agent_id": OTHER_NODE.agent_id})


def times() -> Iterator[Vector]:
    """Rule 8."""
    for name, iat, exp in (
        ("issued 61 s ahead", NOW + 61, NOW + 120),
        ("issued 61 s ago", NOW - 61, NOW + 60),
        ("issued an hour ago", NOW - 3600, NOW - 3540),
        ("it has ended now", NOW - 60, NOW),
        ("it ended before", NOW - 60, NOW - 1),
        ("a life of 301 s", NOW, NOW + 301),
        ("a life of a year", NOW, NOW + 31_536_000),
        ("it ends when it begins", NOW + 10, NOW + 10),
        ("it ends before it begins", NOW + 30, NOW + 20),
        ("the epoch", 0, 60),
        ("milliseconds", NOW * 1000, NOW * 1000 + 60_000),
    ):
        yield Vector(f"time: {name}", sent(WORD, iat=iat, exp=exp), "EXPIRED_TOKEN")
    yield Vector("time: the same command a minute later", USUAL, "EXPIRED_TOKEN", {"now": NOW + 60})
    yield Vector("time: this node's clock is a day behind", USUAL, "EXPIRED_TOKEN", {"now": NOW - 86_400})


def sessions() -> Iterator[Vector]:
    """Rule 9."""
    for name, changes in {
        "made for the channel": {"transport": "channel"},
        "made for HTTP": {"transport": "http"},
        "made for another session": {"sid": "session-before-the-restart"},
        "another case": {"sid": STOP.corr_id},
    }.items():
        yield Vector(f"session: {name}", sent(WORD, **changes), "STALE_SESSION")
    yield Vector("session: it comes in by the channel", USUAL, "STALE_SESSION", {"transport": "channel"})
    yield Vector("session: the agent has started anew", USUAL, "STALE_SESSION", {"sid": "session-after-the-restart"})


def verbs() -> Iterator[Vector]:
    """Rule 10."""
    for verb in VERBS:
        yield Vector(f"verb: {json.dumps(verb)}", sent(with_intent(replace(STOP, verb=verb))), "UNKNOWN_VERB")
    for name, command in {
        "none": replace(STOP, args={}),
        "one more": replace(STOP, args={**STOP.args, "force": True}),
        "another type": replace(STOP, args={"container_id": 123456789012}),
        "null": replace(STOP, args={"container_id": None}),
        "a list": replace(STOP, args={"container_id": ["0123456789ab"]}),
        "a line's end after it": replace(STOP, args={"container_id": "0123456789ab\n"}),
        "words of a shell": replace(STOP, args={"container_id": "0123456789ab;reboot"}),
        "one where there are none": replace(LIST, args={"all": True}),
        "something sealed that is no secret": replace(
            STOP, args={"container_id": sealed("0123456789ab", "container_id", "stop_container")}
        ),
        "a secret in plain": replace(CREATE, args={"username": "user123", "password": "securepass123"}),
        "a secret with a member more": _create(SEALED | {"to": "me"}),
        "a secret sealed twice": _create({"sealed": SEALED}),
        "a secret too short to be one": _create({"sealed": base64url(bytes(47))}),
        "a secret in padded base64": _create({"sealed": SEALED["sealed"] + "="}),
        "a secret of 16,385": _create({"sealed": "A" * 16_385}),
    }.items():
        yield Vector(f"arguments: {name}", sent(with_intent(command)), "VALIDATION_FAILED")


def _create(password: object) -> CommandEnvelope:
    return replace(CREATE, args={"username": "user123", "password": password})


BAD_CLAIMS = (*readings(), *claimed(), *beside(), *targets(), *times(), *sessions(), *verbs())
