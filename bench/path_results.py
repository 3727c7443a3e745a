"""Everything that `make bench-paths` has measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from contention import disturbance
from figures import middle
from path_trial import PathRun, Scenario, evenness, jain_index


@dataclass(slots=True)
class PathResults:
    """The runs in the order of the rounds. A figure is their median, None without any."""

    runs: dict[Scenario, list[PathRun]] = field(default_factory=dict)
    receivers: dict[bool, list[float]] = field(default_factory=dict)
    """Mb/s that crate `tcp` (True) and the kernel received."""
    failures: dict[Scenario, str] = field(default_factory=dict)

    def figure(self, scenario: Scenario, figure: Callable[[PathRun], float]) -> float | None:
        """Return the median of a figure."""
        return middle(map(figure, self.runs.get(scenario, [])))

    def megabits(self, scenario: Scenario) -> float | None:
        """Return the Mb/s of the first sender."""
        return self.figure(scenario, lambda run: run.totals[0])

    def evenness(self, scenario: Scenario) -> float | None:
        """Return the slowest flow's part of the fastest flow's throughput."""
        return self.figure(scenario, lambda run: evenness(run.megabits[0]))

    def jain_index(self, scenario: Scenario) -> float | None:
        """Return the fairness among the flows of the first sender."""
        return self.figure(scenario, lambda run: jain_index(run.megabits[0]))

    def cubic_percent(self, scenario: Scenario) -> float | None:
        """Return what the kernel's CUBIC has beside the first sender."""
        return self.figure(scenario, lambda run: run.share_percent(1))

    def dropped_percent(self, scenario: Scenario) -> float | None:
        """Return the share of datagrams for which the queue had no room."""
        return self.figure(scenario, lambda run: run.dropped_percent)

    def received(self, *, is_own: bool) -> float | None:
        """Return the Mb/s that one of the receivers got."""
        return middle(self.receivers.get(is_own, []))

    def disturbance(self) -> str:
        """Return a note on the runs during which other programs had much of the machine."""
        return disturbance([run.usage.foreign_percent for runs in self.runs.values() for run in runs])
