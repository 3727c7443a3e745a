"""Whose a link of the kernel is: its alias names a process, so that another can tell whether that one still runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

FORM = re.compile(r"warren ([0-9]+) ([0-9]+)")
ENDED = frozenset("ZX")  # a zombie waits for its parent, and does nothing more


def own_alias() -> str:
    """What this process writes on what is its own."""
    return f"warren {os.getpid()} {started_at(os.getpid())}"


def living_owner(alias: str | None) -> int | None:
    """The process that an alias names, if it runs and is another than this one."""
    found = FORM.fullmatch(alias or "")
    if found is None:
        return None
    pid, started = map(int, found.groups())
    return pid if pid != os.getpid() and started_at(pid) == started else None


def started_at(pid: int) -> int | None:
    """When a process was started, in clock ticks since the boot (proc_pid_stat(5)); None if it has ended.

    A number that is used again thus never stands for the process that had it before.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # what stands before is the program's name, in whatever characters
    return None if state in ENDED else int(fields[18])
