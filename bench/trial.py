"""One engine in one round: a fresh tunnel, echoes while it is idle, every mode once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import latency
import process
import throughput
from contention import Moment, Usage
from engines import Engine
from failure import BenchError
from latency import Latency
from throughput import SINGLE, Mode, Throughput
from tunnel import Tunnel, opened

IDLE_SECONDS = 3  # three hundred echoes


@dataclass(frozen=True, slots=True)
class Run:
    """One mode, once."""

    throughput: Throughput
    usage: Usage
    cpu_seconds: float | None
    """Both processes of the engine together; None where it has none."""

    @property
    def cpu_seconds_per_gigabyte(self) -> float | None:
        return None if self.cpu_seconds is None else self.cpu_seconds / max(self.throughput.gigabytes, 1e-9)


@dataclass(slots=True)
class Trial:
    """What came of it; a mode that failed stands in `failures` with the reason."""

    runs: dict[Mode, Run] = field(default_factory=dict)
    failures: dict[Mode, str] = field(default_factory=dict)
    idle: Latency | None = None
    loaded: Latency | None = None
    """During the single TCP stream."""
    resident_idle: int | None = None
    """Octets, the greater of both ends."""
    resident_after: int | None = None


def carry_out(engine: Engine, modes: tuple[Mode, ...], seconds: int, tell: Callable[[str], None]) -> Trial:
    """Never raises BenchError: what failed is in the trial."""
    trial = Trial()
    try:
        with opened(engine) as tunnel:
            trial.idle = latency.measure(tunnel, min(IDLE_SECONDS, seconds))
            trial.resident_idle = _resident(tunnel)
            for mode in modes:
                _run(tunnel, mode, seconds, trial)
                tell(f"{engine.name:<16} {mode.name:<10} {_told(trial, mode)}")
            trial.resident_after = _resident(tunnel)
    except BenchError as error:
        for mode in modes:
            if mode not in trial.runs:
                trial.failures[mode] = str(error)
        tell(f"{engine.name:<16} {error}")
    return trial


def _run(tunnel: Tunnel, mode: Mode, seconds: int, trial: Trial) -> None:
    begin, before = Moment(), _cpu_seconds(tunnel)
    try:
        if mode is SINGLE:
            trial.loaded, arrived = latency.meanwhile(
                tunnel, seconds, lambda: throughput.measure(tunnel, mode, seconds)
            )
        else:
            arrived = throughput.measure(tunnel, mode, seconds)
    except BenchError as error:
        trial.failures[mode] = str(error)
        return
    cpu_seconds = _cpu_seconds(tunnel) - before if tunnel.pids else None
    trial.runs[mode] = Run(arrived, begin.until_now(), cpu_seconds)


def _cpu_seconds(tunnel: Tunnel) -> float:
    return sum(each.own_seconds for pid in tunnel.pids if (each := process.read(pid)))


def _resident(tunnel: Tunnel) -> int | None:
    return max((process.resident_bytes(pid) for pid in tunnel.pids), default=None)


def _told(trial: Trial, mode: Mode) -> str:
    if mode in trial.failures:
        return trial.failures[mode]
    run = trial.runs[mode]
    return f"{run.throughput.gigabits:6.2f} Gb/s, foreign {run.usage.foreign_percent:.0f} %"
