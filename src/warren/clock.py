"""The one module that reads a clock. All other code takes `now` as an argument."""

from __future__ import annotations

import time


def wall_seconds() -> float:
    """Return the seconds since the Unix epoch, in which handshakes are timed."""
    return time.time()


def monotonic_seconds() -> float:
    """Return seconds that never go back, for waits and deadlines."""
    return time.monotonic()
