"""Effects on the clock and the random number generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect
from warren.elapsed_clock import ClockReading


@dataclass(frozen=True, slots=True)
class GetTime(Effect[float]):
    """Return the seconds since the Unix epoch."""

    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class GetClocks(Effect[ClockReading]):
    """Return the clocks of the host, for what must not end for good by the wall clock alone."""

    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class GetRandomBytes(Effect[bytes]):
    """Return octets of the system's generator."""

    reads: ClassVar[bool] = True

    count: int
