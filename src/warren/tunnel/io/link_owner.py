"""Whose a link of the kernel is, by its alias: the process, so that another can tell whether that one still runs, and
the home of the agent, so that after a kill the same agent knows its own.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

FORM = re.compile(r"warren ([0-9]+) ([0-9]+)(?: ([0-9a-f]+-[0-9a-f]+))?")
ENDED = frozenset("ZX")  # a zombie waits for its parent, and does nothing more


def own_alias(home: str = "") -> str:
    """What this process writes on what is its own; `home` is its agent's."""
    return f"warren {os.getpid()} {started_at(os.getpid())} {home}".rstrip()


def home_of(state: Path) -> str:
    """What tells one agent from others, its state directory: by number, as containers have several of one path.

    Empty where there is none. A boot may change it, and leaves no link.
    """
    with suppress(OSError):
        found = state.stat()
        return f"{found.st_dev:x}-{found.st_ino:x}"
    return ""


def is_left_by(home: str, alias: str | None) -> bool:
    """Whether an agent of that home made it, which has ended."""
    found = FORM.fullmatch(alias or "")
    return found is not None and bool(home) and found[3] == home and living_owner(alias) is None


def living_owner(alias: str | None) -> int | None:
    """The process that an alias names, if it runs and is another than this one."""
    found = FORM.fullmatch(alias or "")
    if found is None:
        return None
    pid, started = int(found[1]), int(found[2])
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
