"""What Linux says of processes: CPU time, memory, kinship (proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PF_KTHREAD = 0x0020_0000


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment."""

    pid: int
    parent: int
    session: int
    of_kernel: bool
    """A thread of the kernel, which works for whoever has work for it."""
    own_seconds: float
    """CPU time of its threads."""
    children_seconds: float
    """CPU time of its children that have ended and were waited for."""


def read(pid: int) -> Process | None:
    """A process by its pid; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name in parentheses may hold anything
    user, system, children_user, children_system = map(int, fields[11:15])
    return Process(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        of_kernel=bool(int(fields[6]) & PF_KTHREAD),
        own_seconds=(user + system) / TICKS,
        children_seconds=(children_user + children_system) / TICKS,
    )


def all_processes() -> dict[int, Process]:
    """Every process that this one can see."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return {pid: process for pid in pids if (process := read(pid))}


def child_of(pid: int) -> int | None:
    """The pid of its only child; None while it has none."""
    return next((process.pid for process in all_processes().values() if process.parent == pid), None)


def cpu_seconds(pid: int) -> float:
    """CPU time of its threads; 0 if there is none."""
    found = read(pid)
    return found.own_seconds if found else 0.0


def resident_bytes(pid: int) -> int:
    """VmRSS."""
    return _status_bytes(pid, "VmRSS:")


def peak_bytes(pid: int) -> int:
    """VmHWM: the most that was resident since the start or `reset_peak`."""
    return _status_bytes(pid, "VmHWM:")


def reset_peak(pid: int) -> None:
    """Begin the peak anew with what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status_bytes(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0
