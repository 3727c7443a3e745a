"""Delays between attempts: exponential, with jitter and a cap, reset after success.

- Every retry in Warren takes its delay from here, and one function decides what is transient and what is fatal.
- Nothing here reads a clock or sleeps: `now` is monotonic seconds, and the random number is passed in.
- The cause of the last failure is kept until the next success, so that a condition can name it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from warren.errors import InputError, WarrenError

FATAL_CODES = frozenset(
    (
        "config.permissions",
        "engine.missing",
        "engine.no_kernel",
        "helper.denied",
        "host.no_ipv6",
        "host.no_nftables",
        "host.no_tun",
        "host.not_permitted",
        "host.port_privileged",
        "host.reverse_path_filter",
        "privilege.missing",
        "privilege.unknown_user",
        "sandbox.missing",
        "sandbox.unknown_user",
    )
)
"""Refusals of this host that last until a person installs, permits or configures something."""

TRANSIENT_CODES = frozenset(("audit.unreadable", "command.unusable", "key_file.unusable", "trust.unusable"))
"""Errors of an input that may pass by themselves: a full disk, a file system that is not mounted yet."""


def is_fatal(error: WarrenError) -> bool:
    """Return True if no retry can succeed before a person changes something.

    An input that cannot be used stays unusable until somebody replaces it. All other errors are transient unless their
    code is in `FATAL_CODES`: another program, another machine or the host's load may be different at the next attempt.
    """
    if error.code in TRANSIENT_CODES:
        return False
    return isinstance(error, InputError) or error.code in FATAL_CODES


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """The delays after the first, second, ... failure, in seconds. The last one is the cap and repeats."""

    delays: tuple[float, ...]
    jitter: float = 0.0
    """The largest share of a delay that is added to it at random; the sum never exceeds the cap."""
    fatal_delay_seconds: float | None = None
    """The delay after a fatal failure; None applies `delays` to it as well, `math.inf` stops the retries."""

    @classmethod
    def exponential(
        cls,
        first_seconds: float,
        max_seconds: float,
        *,
        jitter: float = 1.0,
        fatal_delay_seconds: float | None = None,
    ) -> BackoffPolicy:
        """Return the policy whose delays double from `first_seconds`, which is above zero, to `max_seconds`."""
        delays = [first_seconds]
        while 0 < delays[-1] < max_seconds:
            delays.append(min(2 * delays[-1], max_seconds))
        return cls(tuple(delays), jitter, fatal_delay_seconds)

    @property
    def max_seconds(self) -> float:
        """Return the cap."""
        return self.delays[-1]

    def delay_seconds(self, attempts: int, draw: float) -> float:
        """Return the delay after so many earlier attempts without success; `draw` is from [0, 1)."""
        delay = self.delays[min(attempts, len(self.delays) - 1)]
        return min(delay * (1.0 + self.jitter * draw), self.max_seconds)


class Backoff:
    """The failures of one recurring attempt, and when the next attempt is due."""

    def __init__(self, policy: BackoffPolicy, draw: Callable[[], float]) -> None:
        """Begin without a failure; `draw` returns a random number from [0, 1) for each delay."""
        self._policy = policy
        self._draw = draw
        self.failures = 0
        """How many attempts have failed since the last success."""
        self.cause: WarrenError | None = None
        """Why the last attempt failed; None after a success."""
        self.retry_at = -math.inf
        """When the next attempt is due; `math.inf` if no retry follows."""

    @property
    def is_fatal(self) -> bool:
        """Return True if the last attempt failed for a reason that only a person can remove."""
        return self.cause is not None and is_fatal(self.cause)

    def fail(self, cause: WarrenError, now: float) -> float:
        """Record a failed attempt and return the delay in seconds until the next one."""
        delay = self._policy.delay_seconds(self.failures, self._draw())
        if self._policy.fatal_delay_seconds is not None and is_fatal(cause):
            delay = self._policy.fatal_delay_seconds
        self.failures += 1
        self.cause = cause
        self.retry_at = now + delay
        return delay

    def reset(self) -> None:
        """Forget all failures: an attempt succeeded, or something changed that makes one worth trying at once."""
        self.failures, self.cause, self.retry_at = 0, None, -math.inf

    def is_due(self, now: float) -> bool:
        """Return True if the next attempt may be made."""
        return now >= self.retry_at

    def remaining_seconds(self, now: float) -> float:
        """Return how long to wait before the next attempt; 0 if it is due."""
        return max(0.0, self.retry_at - now)
