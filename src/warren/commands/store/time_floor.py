"""The time floor: a time that has certainly passed, below which a wall clock is wrong (trust.md, "Clocks"). Pure.

It begins at a time that somebody has signed, or that this version was released at, and goes on with the boot-time
clock. The wall clock never raises it: one that was ahead would make a right one look wrong from then on. So the floor
is never later than the right time, and a right clock is never changed by it.
"""

from __future__ import annotations

from warren.elapsed_clock import ClockReading


class TimeFloor:
    """The floor from `seconds` since the Unix epoch on. One thread raises it, and any thread may read it."""

    def __init__(self, seconds: float, reading: ClockReading) -> None:
        self._anchor = seconds, reading.boottime

    def at(self, boottime: float) -> float:
        """Return the floor at a time of the boot-time clock, in seconds since the Unix epoch."""
        seconds, since = self._anchor
        return seconds + max(0.0, boottime - since)

    def raise_to(self, seconds: float, reading: ClockReading) -> None:
        """Raise the floor to a time that has certainly passed at this reading."""
        if seconds > self.at(reading.boottime):
            self._anchor = seconds, reading.boottime

    def lower_to(self, seconds: float, reading: ClockReading) -> None:
        """Lower the floor: a time that somebody signed was wrong."""
        if seconds < self.at(reading.boottime):
            self._anchor = seconds, reading.boottime

    def apply(self, reading: ClockReading) -> ClockReading:
        """Return a reading whose wall clock shows at least the floor."""
        return ClockReading(max(reading.wall, self.at(reading.boottime)), reading.boottime, reading.boot_id)
