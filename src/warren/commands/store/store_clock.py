"""The clocks of an open store; the elapsed clock's state is in its database. Used by the database's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from warren.elapsed_clock import ClockReading, ElapsedClock, ElapsedState, Moment

SAVE_SECONDS = 600
"""A power cut loses this much of the elapsed time, by which rows are kept longer. More often would wear out flash."""


class StoreClock:
    """The wall clock, and the time that has certainly passed since the store was initialized."""

    def __init__(self, connection: sqlite3.Connection, read: Callable[[], ClockReading]) -> None:
        self._connection = connection
        self._read = read
        self._clock = ElapsedClock(self._load(), read())
        self._saved = self._clock.state.elapsed
        self._save()

    def moment(self) -> Moment:
        """Return the present moment."""
        return self._clock.read(self._read())

    def save_if_due(self, *, closing: bool) -> None:
        """Store the state every ten minutes, and on close. Raises sqlite3.Error."""
        elapsed = self.moment().elapsed
        if elapsed >= self._saved + SAVE_SECONDS or (closing and elapsed > self._saved):
            self._save()

    def _save(self) -> None:
        state = self._clock.state
        row = ("elapsed", state.elapsed, "boottime", state.boottime, "boot_id", state.boot_id)
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?), (?, ?), (?, ?)", row)
        self._saved = state.elapsed

    def _load(self) -> ElapsedState | None:
        query = "SELECT name, value FROM meta WHERE name IN ('elapsed', 'boottime', 'boot_id')"
        meta = dict(self._connection.execute(query))
        return ElapsedState(meta["elapsed"], meta["boottime"], meta["boot_id"]) if meta else None
