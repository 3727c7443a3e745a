"""A command whose signatures, claims and rights are proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_LIFE_SECONDS = 300  # V-38
SKEW_SECONDS = 60  # V-38: of `iat`, either way


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose word it is: an operator of the roster, or, for what only reads, whom the dispatch key names."""

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class VerifiedCommand:
    """Made by `verify.verify_command` alone."""

    envelope: str
    """The JWS as received: what another process verifies anew."""
    kid: str
    """Who dispatched it; with `nonce` the key of single use."""
    nonce: str
    corr_id: str
    verb: str
    args: Mapping[str, object]
    """As its schema wants them. Secret ones are sealed still, or plain where the transport allows that."""
    args_sha256: str
    """Of verb and arguments as signed: what makes a retry the same command (V-40)."""
    actor: Actor
    policy_id: str
    transport: str
    sid: str
    iat: int
    exp: int
    has_intent: bool
    """Whether an operator signed it; else it only reads."""
    min_level: str = "L0"
    """The weakest sandbox that the trust bundle allows this verb."""
    script_sha256: Mapping[str, str] | None = None
    """By name of script, what the trust bundle pins."""
