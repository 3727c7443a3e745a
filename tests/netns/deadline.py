"""Waiting for what must come: looking until it is there, for ten times as long as it takes on an idle machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

# How many times slower than hardware this machine is, and so how much less it is given to do: tests/qemu tells its own.
SLOWNESS = float(os.environ.get("WARREN_SLOWNESS", "1"))
COMMAND_SECONDS = 120.0 * SLOWNESS
SOON_SECONDS = 20.0 * SLOWNESS
STEP_SECONDS = 0.02 * SLOWNESS  # each look costs processor time, which an emulated processor has little of
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = SOON_SECONDS) -> T:
    """The first true value of `condition`; AssertionError with `what` once the time is up."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"after {seconds:g} s still not: {what}"
        time.sleep(STEP_SECONDS)
    return value
