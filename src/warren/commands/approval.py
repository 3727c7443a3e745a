"""The approval of an intent by another operator, the payload of a `warren-approval+jws` (docs/protocol/envelope.md).

It names the intent by its digest, which covers the type and every signed octet. So an approval counts for that intent
only, whatever command carries it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.cluster import CLUSTER
from warren.commands.envelope import NAME, TIME
from warren.shapes import Shape, choice, record, text
from warren.signed_types import APPROVAL, check_format

TYPE = APPROVAL.typ
APPROVE, REJECT = "approve", "reject"

SHAPE: Shape = record(
    {
        "format": TIME,
        "cluster": CLUSTER,
        "intent": text(r"[0-9a-f]{64}", "the digest of an intent in 64 hexadecimal digits"),
        "author": NAME,
        "iat": TIME,
        "exp": TIME,
        "decision": choice(APPROVE, REJECT),
    }
)
"""Closed: an unknown member is an error."""


@dataclass(frozen=True, slots=True)
class Approval:
    """The claims of an approval; the `kid` of its token names who approves."""

    cluster: str
    intent: str
    """The digest of the intent: see `intent_digest`."""
    author: str
    """The operator who signed the intent."""
    iat: int
    exp: int
    decision: str = APPROVE
    """APPROVE or REJECT."""


def intent_digest(typ: str, payload: bytes) -> str:
    """Return the SHA-256 of an intent's type, an octet of zero and its payload, in hexadecimal."""
    return hashlib.sha256(typ.encode("ascii") + b"\0" + payload).hexdigest()


def parse_approval(members: Mapping[str, Any]) -> Approval:
    """Parse the claims of an approval.

    Raises:
        ValueError: a member is missing, unknown or malformed; the text names it and what was expected.
    """
    check_format(members, APPROVAL)
    SHAPE(members, "")
    return Approval(
        cluster=members["cluster"],
        intent=members["intent"],
        author=members["author"],
        iat=members["iat"],
        exp=members["exp"],
        decision=members["decision"],
    )


def approval_members(approval: Approval) -> dict[str, object]:
    """Return the members that `parse_approval` reads."""
    return {
        "format": APPROVAL.format,
        "cluster": approval.cluster,
        "intent": approval.intent,
        "author": approval.author,
        "iat": approval.iat,
        "exp": approval.exp,
        "decision": approval.decision,
    }
