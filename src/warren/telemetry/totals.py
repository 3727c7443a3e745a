"""Sums over all networks that never go down, also if networks are removed (H-63)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from warren.telemetry.sample import NetworkSample


@dataclass(frozen=True, slots=True)
class Sums:
    """The counters since the agent started."""

    rx_bytes: int = 0
    tx_bytes: int = 0
    handshakes_succeeded: int = 0
    handshakes_failed: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))


class Totals:
    """The sums of all networks; the counts of a network stay when it is removed or starts again."""

    def __init__(self) -> None:
        self._gone = Sums()
        self._last: dict[str, Sums] = {}

    def add_up(self, samples: Iterable[NetworkSample]) -> Sums:
        """Return the sums, with these as the latest samples of all networks."""
        present = {sample.name: _counted(sample) for sample in samples}
        for name, last in self._last.items():
            if name not in present or _began_anew(last, present[name]):
                self._gone += last
        self._last = present
        return sum(present.values(), start=self._gone)


def _counted(sample: NetworkSample) -> Sums:
    return Sums(sample.rx_bytes, sample.tx_bytes, sample.handshakes_succeeded, sample.handshakes_failed)


def _began_anew(last: Sums, present: Sums) -> bool:
    return any(now < before for before, now in zip(astuple(last), astuple(present), strict=True))
