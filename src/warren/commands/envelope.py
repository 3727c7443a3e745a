"""The envelope of a command: the members of ViWorkS outbound (V-33), then Warren's own.

It is the payload of a `warren-cmd+jws` (docs/protocol/envelope.md). Nothing in it is verified here: see `verify`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from warren.cluster import CLUSTER
from warren.commands.command import Actor
from warren.shapes import Shape, anything, array, choice, record, text, whole
from warren.signed_types import COMMAND, check_format

TYPE = COMMAND.typ
TRANSPORTS = ("channel", "http", "local")
MAX_TIME = 10**15 - 1  # seconds; the largest number that `strictjson` reads
MAX_TARGETS = 64  # a command is for one node; the document's member is a list
MAX_INTENT_CHARACTERS = 32_768
MAX_APPROVALS = 16

CORR_ID = text(r"[A-Za-z0-9._:-]{1,128}", "1 to 128 of A-Z a-z 0-9 . _ : -")
NAME = text(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit")
NONCE = text(r"[A-Za-z0-9._:-]{16,128}", "16 to 128 of A-Z a-z 0-9 . _ : -, not guessable")
VERB = text(r".{1,64}", "a text of 1 to 64")
TARGETS = array(text(r".{1,64}", "the name of a node"), 1, MAX_TARGETS)
TIME = whole(0, MAX_TIME)
COMPACT = text(rf"[A-Za-z0-9_.-]{{1,{MAX_INTENT_CHARACTERS}}}", "an intent as compact JWS")
ACTOR = record({"id": NAME, "role": NAME})

SHAPE: Shape = record(
    {
        "format": TIME,
        "cluster": CLUSTER,
        "corr_id": CORR_ID,
        "verb": VERB,
        "args": anything,
        "actor": ACTOR,
        "policy_id": NAME,
        "nonce": NONCE,
        "iat": TIME,
        "exp": TIME,
        "agent_targets": TARGETS,
        "transport": choice(*TRANSPORTS),
        "sid": text(r"[A-Za-z0-9_-]{1,64}", "the session of the transport"),
    },
    {"intent": COMPACT, "approvals": array(COMPACT, 0, MAX_APPROVALS)},
)
"""Closed: an unknown member is an error."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """Where an envelope was received."""

    transport: str
    """One of TRANSPORTS."""
    sid: str
    """The current session of that transport."""
    source: str
    """The sender, as the audit log names it: `uid 1000`, an IP address."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The claims of a command, none of them verified."""

    cluster: str
    corr_id: str
    verb: str
    args: Mapping[str, object]
    """Read-only: a command is verified again by the same object."""
    actor: Actor
    policy_id: str
    nonce: str
    iat: int
    exp: int
    targets: tuple[str, ...]
    transport: str
    sid: str
    intent: str | None = None
    """The operator's token."""
    approvals: tuple[str, ...] = ()
    """The tokens of other operators."""


def parse_envelope(members: Mapping[str, Any]) -> Envelope:
    """Parse the claims of a command.

    Raises:
        ValueError: a member is missing, unknown or malformed; the text names it and what was expected.
    """
    check_format(members, COMMAND)
    SHAPE(members, "")
    return Envelope(
        cluster=members["cluster"],
        corr_id=members["corr_id"],
        verb=members["verb"],
        args=MappingProxyType(members["args"]),
        actor=Actor(members["actor"]["id"], members["actor"]["role"]),
        policy_id=members["policy_id"],
        nonce=members["nonce"],
        iat=members["iat"],
        exp=members["exp"],
        targets=tuple(members["agent_targets"]),
        transport=members["transport"],
        sid=members["sid"],
        intent=members.get("intent"),
        approvals=tuple(members.get("approvals", ())),
    )


def envelope_members(envelope: Envelope) -> dict[str, object]:
    """Return the members that `parse_envelope` reads, in the order of ViWorkS outbound."""
    members: dict[str, object] = {
        "format": COMMAND.format,
        "cluster": envelope.cluster,
        "corr_id": envelope.corr_id,
        "verb": envelope.verb,
        "args": dict(envelope.args),
        "actor": {"id": envelope.actor.id, "role": envelope.actor.role},
        "policy_id": envelope.policy_id,
        "nonce": envelope.nonce,
        "iat": envelope.iat,
        "exp": envelope.exp,
        "agent_targets": [*envelope.targets],
        "transport": envelope.transport,
        "sid": envelope.sid,
    }
    members |= {} if envelope.intent is None else {"intent": envelope.intent}
    return members | ({"approvals": [*envelope.approvals]} if envelope.approvals else {})
