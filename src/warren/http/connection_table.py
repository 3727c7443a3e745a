"""Decide which connections of a local server stay, so that no client locks another one out.

1. One source has at most `per_source` connections, where the server sets that; root has no such limit.
2. `reserve` places are kept for root.
3. Where a place is missing, the connection that has waited longest for a request is closed: of the same source if that
   has too many, else of the source with the most connections. Connections that have a request are not closed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

ROOT = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bound the connections of one listener."""

    total: int
    per_source: int | None = None
    reserve: int = 0
    """The places among `total` that only root may take."""


@dataclass(slots=True)
class Entry:
    """One open connection."""

    source: Hashable
    """The client that has opened it: a uid, or an address."""
    idle_since: float | None
    """Since when it waits for a request, in seconds of a clock that never goes back; None while it has one."""

    @property
    def is_of_root(self) -> bool:
        """Return whether root has opened it."""
        return self.source == ROOT


class ConnectionTable:
    """Hold the open connections of one listener."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def admit(self, source: Hashable, now: float) -> tuple[Entry | None, Entry | None]:
        """Return the entry of a new connection, and the one to close for it; None if it is rejected, or none is."""
        closed = None
        if (crowd := self._crowd(source)) is not None:
            closed = min(
                (entry for entry in crowd if entry.idle_since is not None),
                key=lambda entry: entry.idle_since or 0.0,
                default=None,
            )
            if closed is None:
                return None, None
            self._entries.remove(closed)
        entry = Entry(source, now)
        self._entries.append(entry)
        return entry, closed

    def remove(self, entry: Entry) -> None:
        """Forget a connection that has ended, also one that was closed for another."""
        self._entries = [each for each in self._entries if each is not entry]

    def _crowd(self, source: Hashable) -> list[Entry] | None:
        """Return the entries of which one has to go, or None if there is a place."""
        capacity = self._capacity
        if source == ROOT:
            return _largest_group(self._entries) if len(self._entries) >= capacity.total else None
        own = [entry for entry in self._entries if entry.source == source]
        if capacity.per_source is not None and len(own) >= capacity.per_source:
            return own
        others = [entry for entry in self._entries if not entry.is_of_root]
        is_full = len(others) >= capacity.total - capacity.reserve or len(self._entries) >= capacity.total
        return _largest_group(others) if is_full else None


def _largest_group(entries: Iterable[Entry]) -> list[Entry]:
    """Return the idle entries of the source that has the most entries, and has an idle one."""
    entries = list(entries)
    counts = Counter(entry.source for entry in entries)
    idle = [entry for entry in entries if entry.idle_since is not None]
    most = max((counts[entry.source] for entry in idle), default=0)
    return [entry for entry in idle if counts[entry.source] == most]
