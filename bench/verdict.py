"""One thing that must be reached, or is aimed at, and the figures that say whether it is."""

from __future__ import annotations

from dataclasses import dataclass

from markdown import number


@dataclass(frozen=True, slots=True)
class Verdict:
    """A line at the end of a report."""

    what: str
    is_met: bool | None
    """None: not measured."""
    figures: str

    def __str__(self) -> str:
        word = {True: "met", False: "MISSED", None: "not measured"}[self.is_met]
        return f"- {word}: {self.what}: {self.figures}"


def at_most(what: str, value: float | None, bound: float, unit: str) -> Verdict:
    """Whether a figure is within its bound."""
    return Verdict(what, None if value is None else value <= bound, f"{number(value)} {unit}")


def at_least(what: str, value: float | None, bound: float, unit: str) -> Verdict:
    """Whether a figure reaches its bound."""
    return Verdict(what, None if value is None else value >= bound, f"{number(value)} {unit}")
