"""At-most-once execution: the decision on a command that was, or was not, seen before (V-39, V-40, V-42, X-41).

    command or intent older than the record  EXPIRED_TOKEN: it may have been used before the record began
    nonce or intent that may be deleted      EXPIRED_TOKEN
    nonce seen                               REPLAY_DETECTED, always
    corr_id of a different command           REPLAY_DETECTED
    corr_id of the same one, fresh nonce     its result, or that it is in progress; no second execution
    neither                                  accepted; both are bound

The dispatch key signs commands, and can sign one intent as often as it likes. So the times of the intent decide as well
as those of the command: an operator's intent runs once, whoever has the dispatch key (trust).

Delivery is at least once, execution at most once.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from warren.commands.command import SKEW_SECONDS, VerifiedCommand
from warren.commands.result import Code, CommandError, Result, Status


class State(enum.IntEnum):
    """The state of an accepted command; the numbers are stored on disk."""

    ACCEPTED = 1
    DONE = 2
    INTERRUPTED = 3
    """The process ended while it ran; how far it got is unknown."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The caller runs the command, and nobody else does."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The command was run before."""

    result: Result


@dataclass(frozen=True, slots=True)
class InProgress:
    """The command is running."""


Verdict = Accepted | Stored | InProgress


@dataclass(frozen=True, slots=True)
class SeenCommand:
    """A command that was accepted."""

    corr_id: str
    verb: str
    actor: str
    kid: str
    nonce: str
    args_sha256: str
    state: State
    result: Result | None = None
    """None while it is in progress."""

    def is_retried_by(self, command: VerifiedCommand) -> bool:
        """Return whether this is the same command again, by the same actor."""
        own = (self.verb, self.actor, self.args_sha256)
        return own == (command.verb, command.actor.id, command.args_sha256)


@dataclass(frozen=True, slots=True)
class ReplayState:
    """The store's knowledge of one command's nonce and corr_id, and its fill level."""

    begun: int
    """When the record begins, in seconds since the Unix epoch."""
    nonce_seen: bool
    known: SeenCommand | None
    live: int
    """Stored nonces of this dispatch key."""
    limit: int
    nonce_forgotten: bool = False
    """True if a deleted nonce was kept until the same time."""
    intent_forgotten: bool = False
    """True if the intent of a deleted command was signed at the same time."""


def keep_until(command: VerifiedCommand) -> int:
    """Return until when its nonce must be stored: until no clock within the skew accepts it."""
    return command.exp + SKEW_SECONDS + 1


def decide(command: VerifiedCommand, state: ReplayState) -> Verdict:
    """Decide whether the command runs, was run, or is running.

    Raises:
        CommandError: EXPIRED_TOKEN, REPLAY_DETECTED or QUEUE_FULL.
    """
    signed = command.iat if command.intent_iat is None else min(command.iat, command.intent_iat)
    if signed <= state.begun:
        problem = f"signed at {signed}, and the record of used commands begins at {state.begun}; sign it again"
        raise CommandError(Code.EXPIRED_TOKEN, problem)
    if state.nonce_forgotten:  # the clock was ahead and has been set back
        raise CommandError(
            Code.EXPIRED_TOKEN, "this node's clock was ahead and its nonce may be deleted already; sign it again"
        )
    known = state.known
    if state.nonce_seen or (known and (known.kid, known.nonce) == (command.kid, command.nonce)):
        raise CommandError(Code.REPLAY_DETECTED, "nonce already used")
    if known and not known.is_retried_by(command):
        raise CommandError(Code.REPLAY_DETECTED, "corr_id already used by a different command")
    if known is None and state.intent_forgotten:
        problem = "its intent is as old as one whose record was deleted; have the operator sign it again"
        raise CommandError(Code.EXPIRED_TOKEN, problem)
    if state.live >= state.limit:
        raise CommandError(Code.QUEUE_FULL, f"{state.limit} nonces of its dispatch key are stored; retry later")
    if known is None:
        return Accepted()
    return InProgress() if known.result is None else Stored(known.result)


def interrupted(known: SeenCommand, agent_id: str, now: int) -> Result:
    """Return the result of a command that a start of the process finds unfinished."""
    return Result(
        known.corr_id,
        agent_id,
        known.verb,
        Status.ERROR,
        Code.INTERRUPTED,
        now,
        problem="the agent ended while it ran; outcome unknown: check the host, then send a new command",
    )
