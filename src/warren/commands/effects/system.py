"""Effects on the clock and the random number generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class GetTime(Effect[float]):
    """Return the seconds since the Unix epoch."""

    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class GetRandomBytes(Effect[bytes]):
    """Return octets of the system's generator."""

    reads: ClassVar[bool] = True

    count: int
