"""The times of deleted rows, as intervals: what was signed at such a time may have been used. In transactions only.

One floor below which everything is refused would be simpler. But one row that was written while the clock was far ahead
would raise it to that time, and everything would be refused until then.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from warren.commands.envelope import MAX_TIME

GAP_SECONDS = 600
"""Times that are closer become one interval."""
MAX_INTERVALS = 1_000
"""The limit for each kind; beyond, the two earliest become one. They lie in the past, where nothing new is signed."""


def forget(connection: sqlite3.Connection, kind: str, times: Iterable[int]) -> None:
    """Add times of a kind to its intervals."""
    points = sorted(times)
    if not points:
        return
    rows = connection.execute("SELECT first, last FROM forgotten WHERE kind = ?", (kind,)).fetchall()
    merged = list(_merge(sorted([*rows, *((point, point) for point in points)])))
    while len(merged) > MAX_INTERVALS:
        merged[:2] = [(merged[0][0], merged[1][1])]
    connection.execute("DELETE FROM forgotten WHERE kind = ?", (kind,))
    connection.executemany("INSERT INTO forgotten VALUES (?, ?, ?)", ((kind, first, last) for first, last in merged))


class ForgottenTimes:
    """The intervals as they are stored, in memory: each command is compared with them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._intervals: dict[str, list[tuple[int, int]]] = {}
        for kind, first, last in connection.execute("SELECT kind, first, last FROM forgotten ORDER BY kind, first"):
            self._intervals.setdefault(kind, []).append((first, last))

    def has(self, kind: str, time: int) -> bool:
        """Return whether a deleted row may have had this time."""
        intervals = self._intervals.get(kind, [])
        before = bisect_right(intervals, (time, MAX_TIME))
        return before > 0 and intervals[before - 1][1] >= time


def _merge(intervals: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield sorted intervals, with those that are close joined."""
    current: tuple[int, int] | None = None
    for first, last in intervals:
        if current is None or first > current[1] + GAP_SECONDS:
            if current is not None:
                yield current
            current = first, last
        else:
            current = current[0], max(current[1], last)
    if current is not None:
        yield current
