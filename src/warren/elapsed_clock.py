"""Time that cannot be set: count the seconds that have certainly passed, across restarts and reboots. Pure.

The wall clock can be set to any value, by root, by a peer that it is synchronized with, or by an empty battery. The
boot-time clock cannot, and it goes on while the host is suspended; but it begins again with each boot. An
`ElapsedClock` sums it up, and its owner stores the sum. Time while the host was off is not counted, since nothing on
the host has measured it: the sum may be too low, and is never too high.

Two rules follow (docs/decisions/0034-two-clocks.md):

- what cannot be undone (a deletion, a revocation) waits until both clocks say so: `Deadline.is_over`;
- what can be undone (access) ends as soon as one of them says so: `Deadline.has_ended`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The clocks of the host at one moment, in seconds."""

    wall: float
    """Since the Unix epoch. It can be set."""
    boottime: float
    """Since the host was booted. It cannot be set, and includes the time in which the host was suspended."""
    boot_id: str
    """The kernel's name for this boot; empty where there is none: then only time within one process is counted."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by both clocks."""

    wall: float
    elapsed: float
    """The `ElapsedClock`: at most the seconds that have passed since it was first read."""

    def after(self, seconds: float) -> Deadline:
        """Return the deadline that is `seconds` later by each clock."""
        return Deadline(self.wall + seconds, self.elapsed + seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time by both clocks."""

    wall: float
    elapsed: float

    def has_ended(self, now: Moment) -> bool:
        """Return whether one of the clocks has reached it: access ends, reversibly."""
        return now.wall >= self.wall or now.elapsed >= self.elapsed

    def is_over(self, now: Moment) -> bool:
        """Return whether both clocks have reached it: only then may anything be deleted or revoked for good."""
        return now.wall >= self.wall and now.elapsed >= self.elapsed

    def seconds_until_over(self, now: Moment) -> float:
        """Return for how long one of the clocks will not have reached it, at least 0, if neither is set."""
        return max(0.0, self.wall - now.wall, self.elapsed - now.elapsed)

    def next_change_seconds(self, now: Moment) -> float:
        """Return for how long `has_ended` and `is_over` stay as they are, if no clock is set; 0 once it is over."""
        return self.seconds_until_over(now) if self.has_ended(now) else self.remaining_seconds(now)

    def remaining_seconds(self, now: Moment) -> float:
        """Return for how long no clock will have reached it, at least 0."""
        return max(0.0, min(self.wall - now.wall, self.elapsed - now.elapsed))


@dataclass(frozen=True, slots=True)
class ElapsedState:
    """The sum as its owner stores it, and the reading that it includes."""

    elapsed: float = 0.0
    boottime: float = 0.0
    boot_id: str = ""


class ElapsedClock:
    """The clock from a stored state on. `state` is what to store after a reading."""

    def __init__(self, state: ElapsedState | None, reading: ClockReading) -> None:
        """Continue a stored clock, or begin a new one at 0 with this reading."""
        if state is None:
            state = ElapsedState(0.0, reading.boottime, reading.boot_id)
        elif not (state.boot_id and reading.boot_id):  # nobody knows whether the host was booted in between
            state = ElapsedState(state.elapsed, reading.boottime, reading.boot_id)
        elif state.boot_id != reading.boot_id:  # all of this boot has passed since the state was stored
            state = ElapsedState(state.elapsed, 0.0, reading.boot_id)
        self.state = state
        self.read(reading)

    def read(self, reading: ClockReading) -> Moment:
        """Return the moment of a reading."""
        passed = max(0.0, reading.boottime - self.state.boottime)
        self.state = ElapsedState(self.state.elapsed + passed, reading.boottime, reading.boot_id)
        return Moment(reading.wall, self.state.elapsed)
