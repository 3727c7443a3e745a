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
