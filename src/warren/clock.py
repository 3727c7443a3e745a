"""The one module that reads a clock. All other code takes `now` as an argument."""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path

from warren.elapsed_clock import ClockReading

RELEASE_SECONDS = 1_793_491_200
"""2026-11-01, before this version was released: no right clock of a host that runs it shows less."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def wall_seconds() -> float:
    """Return the seconds since the Unix epoch, in which handshakes are timed."""
    return time.time()


def monotonic_seconds() -> float:
    """Return seconds that never go back, for waits and deadlines."""
    return time.monotonic()


def thread_seconds() -> float:
    """Return the processor time of this thread, in seconds."""
    return time.thread_time()


def read_clocks() -> ClockReading:
    """Return the wall clock and the clock that cannot be set, for what must not end early if the first is set."""
    return ClockReading(time.time(), _boottime_seconds(), boot_id())


@cache
def boot_id() -> str:
    """Return the kernel's boot id; empty where there is none."""
    try:
        return BOOT_ID.read_text(
            "utf-8"
        ).strip()  # a codec that is always loaded: Python's files may be unreadable here
    except OSError:
        return ""


def _boottime_seconds() -> float:
    seconds = time.monotonic()
    if sys.platform == "linux":
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
    return seconds
