"""Rate limits by token bucket. Pure: `now` is passed in, in seconds of a clock that never goes back.

Each key has a bucket of as many tokens as its rate per minute. Tokens are refilled evenly, and all of a bucket may be
taken at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MINUTE_SECONDS = 60.0
MAX_BUCKETS = 1_000
"""A key whose bucket was dropped starts with a full one: a thousand other keys have been used since."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    since: float


class RateLimit:
    """Limit how often each key may act. `override` returns the rate per minute of a key that has one of its own."""

    def __init__(self, per_minute: int, override: Callable[[str], int | None] = lambda _key: None) -> None:
        self._per_minute = per_minute
        self._override = override
        self._buckets: dict[str, _Bucket] = {}

    def has_token(self, key: str, now: float) -> bool:
        """Return True if `key` may act now; nothing is taken."""
        return self._bucket(key, now).tokens >= 1

    def take_token(self, key: str, now: float) -> None:
        """Take a token, also one that is not there: then `key` has to wait for longer."""
        self._bucket(key, now).tokens -= 1

    def return_token(self, key: str, now: float) -> None:
        """Return a token that was taken for nothing."""
        self._bucket(key, now).tokens += 1

    def try_take(self, key: str, now: float) -> bool:
        """Take a token if there is one, and return whether there was."""
        has_token = self.has_token(key, now)
        if has_token:
            self.take_token(key, now)
        return has_token

    def _bucket(self, key: str, now: float) -> _Bucket:
        override = self._override(key)
        capacity = self._per_minute if override is None else override
        bucket = self._buckets.pop(key, None) or _Bucket(capacity, now)
        bucket.tokens = min(capacity, bucket.tokens + (now - bucket.since) * capacity / MINUTE_SECONDS)
        bucket.since = now
        self._buckets[key] = bucket  # in order of use: the first is the one to drop
        if len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return bucket


class LogLimit:
    """Limit how many lines of the log others can cause in a minute, and count the lines that are left out.

    What a client sends must not fill the log of the host. The limit belongs to the process: one of a connection would
    be a new one for each connection.
    """

    def __init__(self, per_minute: int = 10) -> None:
        self._limit = RateLimit(per_minute)
        self._unlogged = 0

    def admit(self, now: float) -> int | None:
        """Return how many lines were left out since the last one; None if this one is left out, too."""
        if not self._limit.try_take("", now):
            self._unlogged += 1
            return None
        unlogged, self._unlogged = self._unlogged, 0
        return unlogged
