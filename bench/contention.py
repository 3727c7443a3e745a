"""CPU usage during a measurement, by this bench and by others, whose load makes a figure unreliable."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import process
from process import TICKS, Process

CORES = os.sysconf("SC_NPROCESSORS_ONLN")
# Percent of the machine: a twentieth is what one engine's figures differ by from round to round anyway.
DISTURBING = 5.0
# Columns of the first line of /proc/stat.
IDLE, IOWAIT, STEAL = 4, 5, 8


@dataclass(frozen=True, slots=True)
class Usage:
    """Shares of all cores over an interval, in percent."""

    idle_percent: float
    foreign_percent: float
    """Other sessions' processes, and time stolen by the hypervisor."""


def _counters() -> list[int]:
    with Path("/proc/stat").open() as stat:
        return [int(word) for word in stat.readline().split()[1:]]


@dataclass(frozen=True, slots=True)
class Moment:
    """The machine's counters at the moment of construction."""

    seconds: float = field(default_factory=time.monotonic)
    counters: list[int] = field(default_factory=_counters)
    processes: dict[int, Process] = field(default_factory=process.all_processes)

    def until_now(self) -> Usage:
        """Return the usage since then; kernel threads count neither as ours nor as foreign."""
        now = Moment()
        total = (now.seconds - self.seconds) * CORES
        idle, iowait, steal = (
            (now.counters[column - 1] - self.counters[column - 1]) / TICKS for column in (IDLE, IOWAIT, STEAL)
        )
        foreign = foreign_seconds(self.processes, now.processes, os.getsid(0)) + steal
        return Usage(percent(idle + iowait, total), percent(foreign, total))


def foreign_seconds(before: dict[int, Process], after: dict[int, Process], session: int) -> float:
    """Return the CPU seconds of other sessions' processes between two snapshots.

    Processes that lived only in between are included as far as their parents waited for them.
    """
    before, after = (
        {pid: each for pid, each in look.items() if each.session != session and not each.of_kernel}
        for look in (before, after)
    )
    own = sum(each.own_seconds - (before[pid].own_seconds if pid in before else 0) for pid, each in after.items())
    of_ended = sum(
        each.children_seconds - (before[pid].children_seconds if pid in before else 0) for pid, each in after.items()
    )
    known_of_ended = sum(each.own_seconds + each.children_seconds for pid, each in before.items() if pid not in after)
    return max(0.0, own) + max(0.0, of_ended - known_of_ended)


def percent(part: float, whole: float) -> float:
    """Return a share in percent, clamped to 0..100: counters of different clocks may differ by a tick."""
    return min(100.0, max(0.0, 100 * part / whole))


def disturbance(foreign_percents: list[float]) -> str:
    """Return a note for the median of these runs, empty if none was disturbed."""
    disturbed = sum(foreign > DISTURBING for foreign in foreign_percents)
    return f"disturbed in {disturbed} of {len(foreign_percents)}" if disturbed else ""
