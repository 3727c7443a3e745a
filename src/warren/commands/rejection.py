"""A command that does not run: why, and what may be written down of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from warren.commands.command import Actor
from warren.commands.envelope import CORR_ID, NAME, NONCE
from warren.commands.result import Code, CommandError
from warren.shapes import Shape, text

VERB_NAME = text(r"[a-z][a-z0-9_]{0,63}", "the name of a verb")


@dataclass(frozen=True, slots=True)
class ProvenClaims:
    """What is proven of it: nothing before its signature is, then each claim that has the right shape."""

    kid: str | None = None
    corr_id: str | None = None
    verb: str | None = None
    actor: Actor | None = None
    nonce: str | None = None


class Rejected(CommandError):  # noqa: N818, a decision and no mistake of ours
    """The status is DENIED, always."""

    def __init__(self, code: Code, problem: str, facts: ProvenClaims) -> None:
        super().__init__(code, problem)
        self.facts = facts


def proven_claims(members: Mapping[str, object], kid: str) -> ProvenClaims:
    """Of a payload that is signed."""
    return ProvenClaims(
        kid=kid,
        corr_id=_if_fits(CORR_ID, members.get("corr_id")),
        verb=_if_fits(VERB_NAME, members.get("verb")),
        actor=_actor(members.get("actor")),
        nonce=_if_fits(NONCE, members.get("nonce")),
    )


def _if_fits(shape: Shape, value: object) -> str | None:
    try:
        shape(value, "")
    except ValueError:
        return None
    return str(value)


def _actor(value: object) -> Actor | None:
    match value:
        case {"id": str(name), "role": str(role)} if _if_fits(NAME, name) and _if_fits(NAME, role):
            return Actor(name, role)
    return None
