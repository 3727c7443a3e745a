"""The control group of the runner's unit, which systemd delegates to it (systemd.resource-control(5), Delegate=).

A group has either processes or controlled groups below it (cgroups(7), "no internal processes"). So the runner moves
into a group of its own, and `warren-sandbox` makes a sibling group for each program.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
VERSION_2 = "0::/"
MARKS = ("user.delegate", "trusted.delegate")  # extended attributes of a delegated group, since systemd 251
OWN = "runner"


def leave_unit_group() -> bool:
    """Move this process into a group below the one that is delegated to it; return whether it was.

    Without a delegated group nothing changes: programs then have the limits of each process alone.
    """
    with suppress(OSError):
        group = _own_group()
        if group is not None and _is_delegated(group):
            own = group / OWN
            own.mkdir(exist_ok=True)
            (own / "cgroup.procs").write_text("0")
            return True
    return False


def _own_group() -> Path | None:
    lines = GROUPS.read_text().splitlines()
    return next((MOUNT / line.removeprefix(VERSION_2) for line in lines if line.startswith(VERSION_2)), None)


def _is_delegated(group: Path) -> bool:
    if sys.platform == "linux":
        for mark in MARKS:
            with suppress(OSError):
                if os.getxattr(group, mark) == b"1":
                    return True
    return False
