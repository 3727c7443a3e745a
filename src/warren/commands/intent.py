"""An operator's word: this verb with these arguments, on these nodes, once, until then.

It travels as the payload of a `warren-intent+jws` inside the command (spec of trust). The operator's `corr_id` is what
makes it count once: a command that repeats it is the same command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.commands.envelope import CORR_ID, TARGETS, TIME, VERB
from warren.shapes import Shape, anything, record

TYPE = "warren-intent+jws"
# Of single use, a `corr_id` is kept 30 days from the day that it ran: an intent must have ended by then.
MAX_LIFE_SECONDS = 7 * 86_400

SHAPE: Shape = record({"verb": VERB, "args": anything, "targets": TARGETS, "corr_id": CORR_ID, "exp": TIME})


@dataclass(frozen=True, slots=True)
class Intent:
    """Its claims; who signed it says the token's `kid`."""

    verb: str
    args: Mapping[str, object]
    targets: tuple[str, ...]
    corr_id: str
    exp: int


def parse_intent(members: Mapping[str, Any]) -> Intent:
    """Raises ValueError, which says where, and what would be right."""
    SHAPE(members, "")
    return Intent(
        verb=members["verb"],
        args=members["args"],
        targets=tuple(members["targets"]),
        corr_id=members["corr_id"],
        exp=members["exp"],
    )


def intent_members(intent: Intent) -> dict[str, object]:
    """What `parse_intent` reads."""
    return {
        "verb": intent.verb,
        "args": dict(intent.args),
        "targets": [*intent.targets],
        "corr_id": intent.corr_id,
        "exp": intent.exp,
    }
