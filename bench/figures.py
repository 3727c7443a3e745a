"""Medians over the rounds of a bench."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from contention import disturbance
from throughput import Mode
from trial import Run, Trial


@dataclass(frozen=True, slots=True)
class Figures:
    """One engine in one mode."""

    gigabits: float
    least: float
    most: float
    lost: float
    idle_percent: float
    foreign_percent: float
    cpu_seconds_per_gigabyte: float | None
    rounds: int
    disturbance: str
    """To stand beside the figure."""


def of(runs: list[Run]) -> Figures | None:
    """None of no run."""
    if not runs:
        return None
    rates = [run.throughput.gigabits for run in runs]
    return Figures(
        gigabits=median(rates),
        least=min(rates),
        most=max(rates),
        lost=median(run.throughput.lost for run in runs),
        idle_percent=median(run.usage.idle_percent for run in runs),
        foreign_percent=median(run.usage.foreign_percent for run in runs),
        cpu_seconds_per_gigabyte=middle(run.cpu_seconds_per_gigabyte for run in runs),
        rounds=len(runs),
        disturbance=disturbance([run.usage.foreign_percent for run in runs]),
    )


def middle(values: Iterable[float | None]) -> float | None:
    """The median of the values that there are."""
    present = [value for value in values if value is not None]
    return median(present) if present else None


class Results:
    """All trials of a bench, by engine and in the order of the rounds."""

    def __init__(self) -> None:
        self.trials: dict[str, list[Trial]] = {}

    def add(self, engine: str, trial: Trial) -> None:
        """Takes one trial."""
        self.trials.setdefault(engine, []).append(trial)

    def of(self, engine: str, mode: Mode) -> Figures | None:
        """Medians; None if the engine was never measured in this mode."""
        return of([trial.runs[mode] for trial in self.trials.get(engine, []) if mode in trial.runs])

    def failure(self, engine: str, mode: Mode) -> str | None:
        """Why a run of it failed, the last time one did."""
        reasons = [trial.failures[mode] for trial in self.trials.get(engine, []) if mode in trial.failures]
        return reasons[-1] if reasons else None

    def latency(self, engine: str) -> dict[str, float | None]:
        """Milliseconds: `idle p50`, `idle p99`, `loaded p50`, `loaded p99`; and echoes `lost` under load in all."""
        trials = self.trials.get(engine, [])
        idle = [trial.idle for trial in trials if trial.idle]
        loaded = [trial.loaded for trial in trials if trial.loaded]
        return {
            "idle p50": middle(each.p50_ms for each in idle),
            "idle p99": middle(each.p99_ms for each in idle),
            "loaded p50": middle(each.p50_ms for each in loaded),
            "loaded p99": middle(each.p99_ms for each in loaded),
            "lost": sum(each.lost for each in loaded) if loaded else None,
        }

    def resident(self, engine: str) -> tuple[float | None, float | None]:
        """Octets idle and after all modes."""
        trials = self.trials.get(engine, [])
        return middle(trial.resident_idle for trial in trials), middle(trial.resident_after for trial in trials)
