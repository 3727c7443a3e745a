"""Admit commands: check their rates first, then the queue (V-62, V-63, X-26). Pure.

A command that is rejected takes neither a token nor a place. Without an operator's intent nobody but the dispatch key
has asked for it, whatever actor it names. So such commands have rates of that key, for all of them and for each verb,
and at most three quarters of the queue: they take nothing from the operators. The dispatch key can also deliver an
intent again and again, as a dry run or as a retry: these count for that key as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from warren.commands.command import VerifiedCommand
from warren.commands.result import Code, CommandError
from warren.ratelimit import RateLimit


def verb_of(key: str) -> str:
    """Return the verb of a key in the limit of verbs, which may have its own rate."""
    return key.partition(" ")[0]


class Admission:
    """Count the places of the queue. A command holds its place from its admission until it has finished."""

    def __init__(self, actors: RateLimit, verbs: RateLimit, places: int) -> None:
        self._actors = actors
        self._verbs = verbs
        self._places = places
        self._taken = 0
        self.closed = False
        """True if no command is admitted any more, because the agent stops."""

    @property
    def taken(self) -> int:
        """Return how many commands are waiting or running."""
        return self._taken

    @contextmanager
    def hold(self, command: VerifiedCommand, now: float, *, is_dry_run: bool = False) -> Iterator[None]:
        """Hold a place. Raises CommandError SHUTTING_DOWN, RATE_LIMITED or QUEUE_FULL."""
        requester, verb, places = command.actor.id, command.verb, self._places
        if not command.has_intent or is_dry_run:
            requester, verb = f"dispatch key {command.kid}", f"{command.verb} {command.kid}"
            places = max(1, places * 3 // 4)
        elif not self._actors.has_token(_repeats(command), now):
            raise CommandError(Code.RATE_LIMITED, f"rate limit exceeded for retries by dispatch key {command.kid}")
        if self.closed:
            raise CommandError(Code.SHUTTING_DOWN, "the agent is stopping")
        if not self._actors.has_token(requester, now):
            raise CommandError(Code.RATE_LIMITED, f"rate limit exceeded for {requester}")
        if not self._verbs.has_token(verb, now):
            raise CommandError(Code.RATE_LIMITED, f"rate limit exceeded for {command.verb}")
        if self._taken >= places:
            raise CommandError(Code.QUEUE_FULL, f"queue is full: {self._taken} commands are waiting or running")
        self._actors.take_token(requester, now)
        self._verbs.take_token(verb, now)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def count_repeat(self, command: VerifiedCommand, now: float) -> None:
        """Count an admitted command that was executed before for the dispatch key: its operator has asked once."""
        if command.has_intent:
            self._actors.return_token(command.actor.id, now)
            self._verbs.return_token(command.verb, now)
            self._actors.take_token(_repeats(command), now)


def _repeats(command: VerifiedCommand) -> str:
    return f"retries by dispatch key {command.kid}"
