"""All that `make bench-peers` has measured of one engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from activity import MANY, Activity, Shape
from figures import middle
from loading import Loading

KIBIBYTE = 1024


@dataclass(slots=True)
class Rounds:
    """In the order of the rounds; a figure is the median, None where nothing was measured."""

    loadings: list[Loading] = field(default_factory=list)
    octets_with_two_sessions: list[float] = field(default_factory=list)
    activities: dict[Shape, list[Activity]] = field(default_factory=dict)
    foreign_percents: list[float] = field(default_factory=list)
    """While loading and connecting."""
    failures: list[str] = field(default_factory=list)

    def loading(self, figure: Callable[[Loading], float]) -> float | None:
        """Of all loadings."""
        return middle(map(figure, self.loadings))

    def activity(self, shape: Shape, figure: Callable[[Activity], float]) -> float | None:
        """Of all runs of this shape."""
        return middle(map(figure, self.activities.get(shape, [])))

    @property
    def kibibytes(self) -> float | None:
        """Of a peer that never connected."""
        return _kibibytes(self.loading(lambda each: each.octets))

    @property
    def kibibytes_in_steps(self) -> float | None:
        """The same, loaded in steps."""
        return _kibibytes(self.loading(lambda each: each.octets_in_steps))

    @property
    def kibibytes_with_two_sessions(self) -> float | None:
        """Of a peer that connected twice."""
        return _kibibytes(middle(self.octets_with_two_sessions))

    def rate(self, shape: Shape) -> float | None:
        """Gb/s."""
        return self.activity(shape, lambda each: each.gigabits)

    def kept_percent(self, batch: int) -> float | None:
        """What many peers have together, of what one has."""
        one, many = self.rate(Shape(1, batch)), self.rate(Shape(MANY, batch))
        return 100 * many / one if one and many is not None else None

    def is_limited_by_load(self, batch: int) -> bool:
        """Whether the engine took all that one peer or many could send."""
        runs = [run for peers in (1, MANY) for run in self.activities.get(Shape(peers, batch), [])]
        return any(run.is_limited_by_load for run in runs)


def _kibibytes(octets: float | None) -> float | None:
    return None if octets is None else octets / KIBIBYTE
