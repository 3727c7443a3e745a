"""How long a flow stood still without an excuse."""

from __future__ import annotations

import threading

# A handshake that is lost is tried again after 5 s, and TCP's own timer doubles meanwhile: three losses in a row.
LIMIT_SECONDS = 20.0
# Shorter gaps are not looked into.
GLANCE_SECONDS = 1.0


class Watch:
    """Flows tell it of their progress, whoever interrupts the path of that. From several threads; times are seconds."""

    def __init__(self, begin: float) -> None:
        self._begin = begin
        self._last: dict[str, float] = {}
        self._excuses: list[tuple[float, float]] = []
        self._longest: dict[str, float] = {}
        self._lock = threading.Lock()

    def excuse(self, begin: float, end: float) -> None:
        """An interruption from `begin` to `end`. It excuses as long a time again, after which TCP tries anew."""
        with self._lock:
            self._excuses.append((begin, end + (end - begin)))

    def progress(self, flow: str, now: float) -> None:
        """Something of this flow arrived."""
        with self._lock:
            last = self._last.get(flow, self._begin)
            self._last[flow] = now
            if now - last > min(GLANCE_SECONDS, self._longest.get(flow, 0.0)):
                self._longest[flow] = max(self._longest.get(flow, 0.0), self._unexcused(last, now))

    def longest(self, flow: str, now: float) -> float:
        """Its longest unexcused standstill so far, the present one included. `flow` need never have moved."""
        with self._lock:
            present = self._unexcused(self._last.get(flow, self._begin), now)
            return max(self._longest.get(flow, 0.0), present)

    def _unexcused(self, begin: float, end: float) -> float:
        """Seconds from `begin` to `end` that no excuse covers."""
        total, at = 0.0, begin
        for start, stop in sorted(self._excuses):
            if stop <= at or start >= end:
                continue
            total += max(start - at, 0.0)
            at = max(at, stop)
        return total + max(end - at, 0.0)


def findings(flow: str, longest_seconds: float) -> list[str]:
    """Whether it stood still for too long."""
    if longest_seconds <= LIMIT_SECONDS:
        return []
    return [f"{flow}: nothing arrived for {longest_seconds:.1f} s"]
