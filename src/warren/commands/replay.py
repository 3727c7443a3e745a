"""At most once: what a command is that was, or was not, seen before (V-39, V-40, V-42, X-41).

    nonce seen                               REPLAY_DETECTED, always
    corr_id of another command               REPLAY_DETECTED
    corr_id of the same one, a fresh nonce   its result, or that it is still in progress; no second run
    neither                                  it is accepted, and binds both

Delivery is at least once, execution at most once.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from warren.commands.command import SKEW_SECONDS, VerifiedCommand
from warren.commands.result import Code, CommandError, Result, Status


class State(enum.IntEnum):
    """Of a command that was accepted; the numbers stand on disks."""

    ACCEPTED = 1
    DONE = 2
    INTERRUPTED = 3
    """The process ended while it ran: nobody knows how far it came."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """It is to be run, by whoever was told this and by nobody else."""


@dataclass(frozen=True, slots=True)
class Stored:
    """It was run before."""

    result: Result


@dataclass(frozen=True, slots=True)
class InProgress:
    """It is being run."""


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
        """Whether that is the same command again, by the same person."""
        mine = (self.verb, self.actor, self.args_sha256)
        return mine == (command.verb, command.actor.id, command.args_sha256)


@dataclass(frozen=True, slots=True)
class ReplayState:
    """What the store knows of one command's numbers, and how full it is."""

    created: int
    """When it began to know anything, in seconds since the Unix epoch."""
    nonce_seen: bool
    known: SeenCommand | None
    live: int
    """Nonces of this dispatch key that are kept."""
    limit: int
    forgotten: int = 0
    """Until when the nonces were kept that are not kept any more, at most; seconds since the Unix epoch."""


def keep_until(command: VerifiedCommand) -> int:
    """How long its nonce must be known: until no clock within the skew takes it."""
    return command.exp + SKEW_SECONDS + 1


def decide(command: VerifiedCommand, memory: ReplayState) -> Verdict:
    """Raises CommandError EXPIRED_TOKEN, REPLAY_DETECTED or QUEUE_FULL."""
    if command.iat <= memory.created + SKEW_SECONDS:
        raise CommandError(
            Code.EXPIRED_TOKEN,
            "it was issued before this node's record of used commands began, or at most"
            f" {SKEW_SECONDS} seconds after; sign it anew",
        )
    if keep_until(command) <= memory.forgotten:  # the clock was ahead, and has been put back
        raise CommandError(
            Code.EXPIRED_TOKEN, "this node's clock was ahead, and its nonce may be forgotten; sign it anew"
        )
    known = memory.known
    if memory.nonce_seen or (known and (known.kid, known.nonce) == (command.kid, command.nonce)):
        raise CommandError(Code.REPLAY_DETECTED, "its nonce was used before")
    if known and not known.is_retried_by(command):
        raise CommandError(Code.REPLAY_DETECTED, "its corr_id is that of another command")
    if memory.live >= memory.limit:
        raise CommandError(Code.QUEUE_FULL, f"{memory.limit} nonces of its dispatch key are in use; try again later")
    if known is None:
        return Accepted()
    return InProgress() if known.result is None else Stored(known.result)


def interrupted(known: SeenCommand, agent_id: str, now: int) -> Result:
    """What is said of a command that a start finds unfinished."""
    return Result(
        known.corr_id,
        agent_id,
        known.verb,
        Status.ERROR,
        Code.INTERRUPTED,
        now,
        problem="the agent ended while it ran: look how far it came, and send a new command",
    )
