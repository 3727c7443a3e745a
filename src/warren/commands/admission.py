"""Admit commands: check their rates first, then the queue (V-62, V-63, X-26). Pure.

A command that is rejected takes neither a token nor a place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from warren.commands.result import Code, CommandError
from warren.ratelimit import RateLimit


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
    def hold(self, actor: str, verb: str, now: float) -> Iterator[None]:
        """Hold a place. Raises CommandError SHUTTING_DOWN, RATE_LIMITED or QUEUE_FULL."""
        if self.closed:
            raise CommandError(Code.SHUTTING_DOWN, "the agent is stopping")
        if not self._actors.has_token(actor, now):
            raise CommandError(Code.RATE_LIMITED, f"rate limit exceeded for {actor}")
        if not self._verbs.has_token(verb, now):
            raise CommandError(Code.RATE_LIMITED, f"rate limit exceeded for {verb}")
        if self._taken >= self._places:
            raise CommandError(Code.QUEUE_FULL, f"queue is full: {self._taken} commands are waiting or running")
        self._actors.take_token(actor, now)
        self._verbs.take_token(verb, now)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
