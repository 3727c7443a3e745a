"""The rejection of a command, and which of its claims may be logged."""

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
    """The claims that are proven: none before the signature is verified, then each that is well-formed."""

    kid: str | None = None
    corr_id: str | None = None
    verb: str | None = None
    actor: Actor | None = None
    nonce: str | None = None


class Rejected(CommandError):  # noqa: N818, a decision, not an error of the program
    """A command that is rejected before anything runs; its status is always DENIED."""

    def __init__(self, code: Code, problem: str, proven: ProvenClaims) -> None:
        super().__init__(code, problem)
        self.proven = proven


def proven_claims(members: Mapping[str, object], kid: str) -> ProvenClaims:
    """Return the well-formed claims of a payload whose signature is verified."""
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
