"""Everything that `make bench-netstack` has measured, by proxy and in the order of the rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from contention import disturbance
from figures import middle
from flowgen import Dials
from proxy_cases import Case, DatagramRun, Run

OWN = "Warren"


@dataclass(slots=True)
class ProxyResults:
    """The results of one proxy. A figure is the median of the rounds, None without any."""

    runs: dict[Case, list[Run]] = field(default_factory=dict)
    dials: list[Dials] = field(default_factory=list)
    datagrams: list[DatagramRun] = field(default_factory=list)
    idle_bytes: list[int] = field(default_factory=list)
    """Resident after the start."""
    failures: dict[str, str] = field(default_factory=dict)
    """The reason, by what failed."""

    def figure(self, case: Case, figure: Callable[[Run], float | None]) -> float | None:
        """Return the median of a figure in a case."""
        return middle(map(figure, self.runs.get(case, [])))

    def gigabits(self, case: Case) -> float | None:
        """Return Gb/s received."""
        return self.figure(case, lambda run: run.gigabits)

    def cost(self, case: Case) -> float | None:
        """Return the proxy's CPU seconds per GB."""
        return self.figure(case, lambda run: run.cpu_seconds_per_gigabyte)

    def peak_bytes(self, flows: int) -> float | None:
        """Return the highest median of the cases with this many flows."""
        peaks = [self.figure(case, lambda run: run.peak_bytes) for case in self.runs if case.flows == flows]
        return max((peak for peak in peaks if peak is not None), default=None)

    def dial_ms(self, share: float) -> float | None:
        """Return the time that this share of the dials does not exceed."""
        return middle(dials.percentile_ms(share) for dials in self.dials)

    @property
    def dials_per_second(self) -> float | None:
        """Return dials per second, one after the other."""
        return middle(dials.per_second for dials in self.dials)

    def datagram(self, figure: Callable[[DatagramRun], float | None]) -> float | None:
        """Return the median of a figure of the datagrams."""
        return middle(map(figure, self.datagrams))

    def has_failed_with_fewer(self, case: Case, counts: Iterable[int]) -> bool:
        """Return whether the case failed with one of the smaller numbers of flows."""
        return any(str(replace(case, flows=flows)) in self.failures for flows in counts if flows < case.flows)

    def disturbance(self, flows: int) -> str:
        """Return a note on the runs with this many flows during which other programs had much of the machine."""
        runs = [run for case, runs in self.runs.items() if case.flows == flows for run in runs]
        return disturbance([run.usage.foreign_percent for run in runs])

    def missing_flows(self, flows: int) -> str:
        """Return a note on the runs in which not all flows could be opened."""
        opened = [run.opened for case, runs in self.runs.items() if case.flows == flows for run in runs]
        least = min(opened, default=flows)
        return f"only {least:,} flows could be opened" if least < flows else ""


Results = dict[str, ProxyResults]
Best = Callable[..., tuple[str, float]]
"""`min` or `max`."""


def best_peer(results: Results, figure: Callable[[ProxyResults], float | None], best: Best) -> tuple[str, float] | None:
    """Return the peer with the best figure, and the figure; None if no peer has one."""
    figures = [(name, value) for name, each in results.items() if name != OWN and (value := figure(each)) is not None]
    return best(figures, key=lambda entry: entry[1]) if figures else None


def cases(results: Results) -> Iterable[Case]:
    """Return every case in which a proxy was measured, in the order of the bench."""
    return list(dict.fromkeys(case for each in results.values() for case in each.runs))
