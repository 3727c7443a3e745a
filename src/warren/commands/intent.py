"""The intent of an operator: this verb with these arguments, on these nodes, once, before it expires.

It is the payload of a `warren-intent+jws` inside the command (docs/protocol/envelope.md). The operator's `corr_id`
makes it count once: a command that repeats it is the same command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.cluster import CLUSTER
from warren.commands.envelope import CORR_ID, TARGETS, TIME, VERB
from warren.shapes import Shape, anything, record
from warren.signed_types import INTENT, check_format

TYPE = INTENT.typ
# The store keeps a `corr_id` for 30 days after its command ran: an intent must have expired by then.
MAX_LIFE_SECONDS = 7 * 86_400

SHAPE: Shape = record(
    {
        "format": TIME,
        "cluster": CLUSTER,
        "verb": VERB,
        "args": anything,
        "targets": TARGETS,
        "corr_id": CORR_ID,
        "iat": TIME,
        "exp": TIME,
        "bundle_min": TIME,
    }
)
"""Closed: an unknown member is an error."""


@dataclass(frozen=True, slots=True)
class Intent:
    """The claims of an intent; the `kid` of its token names the signer."""

    cluster: str
    verb: str
    args: Mapping[str, object]
    targets: tuple[str, ...]
    corr_id: str
    iat: int
    exp: int
    bundle_min: int = 1
    """The lowest version of the trust bundle by which a node may accept it."""


def parse_intent(members: Mapping[str, Any]) -> Intent:
    """Parse the claims of an intent.

    Raises:
        ValueError: a member is missing, unknown or malformed; the text names it and what was expected.
    """
    check_format(members, INTENT)
    SHAPE(members, "")
    return Intent(
        cluster=members["cluster"],
        verb=members["verb"],
        args=members["args"],
        targets=tuple(members["targets"]),
        corr_id=members["corr_id"],
        iat=members["iat"],
        exp=members["exp"],
        bundle_min=members["bundle_min"],
    )


def intent_members(intent: Intent) -> dict[str, object]:
    """Return the members that `parse_intent` reads."""
    return {
        "format": INTENT.format,
        "cluster": intent.cluster,
        "verb": intent.verb,
        "args": dict(intent.args),
        "targets": [*intent.targets],
        "corr_id": intent.corr_id,
        "iat": intent.iat,
        "exp": intent.exp,
        "bundle_min": intent.bundle_min,
    }
