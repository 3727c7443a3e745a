"""Performs the effects on the clock and the random number generator."""

from __future__ import annotations

import secrets

from warren.clock import read_clocks, wall_seconds
from warren.commands.effects.system import GetClocks, GetRandomBytes, GetTime
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.resources import Resources
from warren.elapsed_clock import ClockReading


def handlers(_: Resources | None = None) -> Handlers:
    """Return the handlers."""
    return {GetClocks: _clocks, GetRandomBytes: _random, GetTime: _time}


async def _random(effect: GetRandomBytes, _: Execution) -> bytes:
    return secrets.token_bytes(effect.count)


async def _time(_: GetTime, __: Execution) -> float:
    return wall_seconds()


async def _clocks(_: GetClocks, __: Execution) -> ClockReading:
    return read_clocks()
