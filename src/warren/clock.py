"""The one place that reads a clock. All else takes `now` as an argument."""

from __future__ import annotations

import time


def wall_seconds() -> float:
    """Seconds since the Unix epoch: the scale of a handshake's time."""
    return time.time()


def monotonic_seconds() -> float:
    """Seconds that never go back: for waits and deadlines."""
    return time.monotonic()
