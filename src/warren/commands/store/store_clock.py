"""The clocks of an open store; the state of the elapsed clock and the time floor are in its database.

Used by the database's thread, apart from the floor.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from warren.commands.store.time_floor import TimeFloor
from warren.elapsed_clock import ClockReading, ElapsedClock, ElapsedState, Moment

SAVE_SECONDS = 600
"""A power cut loses this much of the elapsed time, by which rows are kept longer. More often would wear out flash."""


class StoreClock:
    """The wall clock, and the time that has certainly passed since the store was initialized."""

    def __init__(self, connection: sqlite3.Connection, read: Callable[[], ClockReading]) -> None:
        self._connection = connection
        self._read = read
        stored, reading = self._load(), read()
        self._clock = ElapsedClock(stored, reading)
        self._saved = self._clock.state.elapsed
        passed = 0.0 if stored is None else self._saved - stored.elapsed
        self.floor = TimeFloor(self._load_floor() + passed, reading)
        """Stored with the elapsed clock: at the next start it goes on with what has certainly passed since then."""
        self._save()

    def moment(self) -> Moment:
        """Return the present moment, by a wall clock that shows at least the time floor."""
        return self._clock.read(self.floor.apply(self._read()))

    def save_if_due(self, *, closing: bool) -> None:
        """Store the state every ten minutes, and on close. Raises sqlite3.Error."""
        elapsed = self.moment().elapsed
        if elapsed >= self._saved + SAVE_SECONDS or (closing and elapsed > self._saved):
            self._save()

    def lower_floor(self, seconds: float) -> None:
        """Lower the time floor, and store that. Raises sqlite3.Error."""
        self.floor.lower_to(seconds, self._read())
        self.moment()
        self._save()

    def _save(self) -> None:
        state = self._clock.state
        row = ("elapsed", state.elapsed, "boottime", state.boottime, "boot_id", state.boot_id)
        self._connection.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?), (?, ?), (?, ?), (?, ?)",
            (*row, "time_floor", self.floor.at(state.boottime)),
        )
        self._saved = state.elapsed

    def _load(self) -> ElapsedState | None:
        query = "SELECT name, value FROM meta WHERE name IN ('elapsed', 'boottime', 'boot_id')"
        meta = dict(self._connection.execute(query))
        return ElapsedState(meta["elapsed"], meta["boottime"], meta["boot_id"]) if meta else None

    def _load_floor(self) -> float:
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'time_floor'").fetchone()
        return float(row[0]) if row else 0.0
