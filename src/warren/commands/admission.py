"""How much is taken on at a time: rates first, then a queue, then a few at once (V-62, V-63, X-26). Pure.

A rate is a bucket of tokens: `per_minute` of them fill evenly, and as many may be spent at once. What is refused takes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from warren.commands.result import Code, CommandError

MINUTE = 60.0
MAX_BUCKETS = 1_000  # who is not among them any more has a full one, or is one of a thousand that all just came


@dataclass(slots=True)
class _Bucket:
    tokens: float
    since: float


class Rate:
    """One bucket for each key; `exception` says of a key how many it has, if that is another number now."""

    def __init__(self, per_minute: int, exception: Callable[[str], int | None] = lambda _: None) -> None:
        self._per_minute = per_minute
        self._exception = exception
        self._buckets: dict[str, _Bucket] = {}

    def has(self, key: str, now: float) -> bool:
        """Whether one may be spent; `now` is in seconds of any clock that does not go back."""
        return self._bucket(key, now).tokens >= 1

    def spend(self, key: str, now: float) -> None:
        """One."""
        self._bucket(key, now).tokens -= 1

    def _bucket(self, key: str, now: float) -> _Bucket:
        exception = self._exception(key)
        most = self._per_minute if exception is None else exception
        bucket = self._buckets.pop(key, None) or _Bucket(most, now)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.since) * most / MINUTE)
        bucket.since = now
        self._buckets[key] = bucket  # the last one used stands last
        if len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return bucket


class Admission:
    """Rates and places. A place is held from the moment that a command is let in until it is done."""

    def __init__(self, actors: Rate, verbs: Rate, places: int) -> None:
        self._actors = actors
        self._verbs = verbs
        self._places = places
        self._taken = 0
        self.closed = False
        """Whether nothing is let in any more, as the agent stops."""

    @property
    def taken(self) -> int:
        """How many are waiting or running."""
        return self._taken

    @contextmanager
    def hold(self, actor: str, verb: str, now: float) -> Iterator[None]:
        """A place. Raises CommandError SHUTTING_DOWN, RATE_LIMITED or QUEUE_FULL."""
        if self.closed:
            raise CommandError(Code.SHUTTING_DOWN, "the agent is about to stop")
        if not self._actors.has(actor, now):
            raise CommandError(Code.RATE_LIMITED, f"{actor} has asked for too much in the last minute")
        if not self._verbs.has(verb, now):
            raise CommandError(Code.RATE_LIMITED, f"{verb} was asked for too often in the last minute")
        if self._taken >= self._places:
            raise CommandError(Code.QUEUE_FULL, f"{self._taken} commands are waiting or running, and that is all")
        self._actors.spend(actor, now)
        self._verbs.spend(verb, now)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
