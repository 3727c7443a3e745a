"""A command on its way: document 004's members (V-33), with the operator's intent, the transport and its session.

It travels as the payload of a `warren-cmd+jws` (docs/protocol/envelope.md). Nothing here is proven: `verify` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.commands.command import Actor
from warren.shapes import Shape, anything, array, choice, record, text, whole

TYPE = "warren-cmd+jws"
TRANSPORTS = ("channel", "http", "local")
LATEST = 10**15 - 1  # seconds; what `strictjson` reads of a number
MOST_TARGETS = 64  # a command is for one node; the document's member is a list
LONGEST_INTENT = 32_768

CORR_ID = text(r"[A-Za-z0-9._:-]{1,128}", "1 to 128 of A-Z a-z 0-9 . _ : -")
NAME = text(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit")
NONCE = text(r"[A-Za-z0-9._:-]{16,128}", "16 to 128 of A-Z a-z 0-9 . _ : -, of which nobody can guess one")
VERB = text(r".{1,64}", "a text of 1 to 64")
TARGETS = array(text(r".{1,64}", "the name of a node"), 1, MOST_TARGETS)
TIME = whole(0, LATEST)
COMPACT = text(rf"[A-Za-z0-9_.-]{{1,{LONGEST_INTENT}}}", "an intent as compact JWS")
ACTOR = record({"id": NAME, "role": NAME})

SHAPE: Shape = record(
    {
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
        "sid": text(r"[A-Za-z0-9_-]{1,64}", "the session of its transport"),
    },
    {"intent": COMPACT},
)
"""Closed: what is not named is refused."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Its claims, of which none is proven."""

    corr_id: str
    verb: str
    args: Mapping[str, object]
    actor: Actor
    policy_id: str
    nonce: str
    iat: int
    exp: int
    targets: tuple[str, ...]
    transport: str
    sid: str
    intent: str | None = None
    """The operator's own token."""


def parse_envelope(members: Mapping[str, Any]) -> Envelope:
    """Raises ValueError, which says where, and what would be right."""
    SHAPE(members, "")
    return Envelope(
        corr_id=members["corr_id"],
        verb=members["verb"],
        args=members["args"],
        actor=Actor(members["actor"]["id"], members["actor"]["role"]),
        policy_id=members["policy_id"],
        nonce=members["nonce"],
        iat=members["iat"],
        exp=members["exp"],
        targets=tuple(members["agent_targets"]),
        transport=members["transport"],
        sid=members["sid"],
        intent=members.get("intent"),
    )


def envelope_members(envelope: Envelope) -> dict[str, object]:
    """What `parse_envelope` reads, in the document's order."""
    found: dict[str, object] = {
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
    return found | ({} if envelope.intent is None else {"intent": envelope.intent})
