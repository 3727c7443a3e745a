"""The owner of a kernel link, kept in its alias: `warren PID START_TIME AGENT_ID`.

The process tells whether its owner still runs. The agent's id lets the same agent find its own links after it was
killed: links in the kernel outlive the process that created them, unlike those of an engine.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from warren._core import Netlink
from warren.tunnel.io.observe import KERNEL_KIND, find_link

ALIAS = re.compile(r"warren ([0-9]+) ([0-9]+)(?: ([0-9a-f]+-[0-9a-f]+))?")
ENDED = frozenset("ZX")  # a zombie waits for its parent, and does nothing more


def own_alias(agent_id: str = "") -> str:
    """Return the alias that this process writes to its links."""
    return f"warren {os.getpid()} {started_at(os.getpid())} {agent_id}".rstrip()


def agent_id_of(state: Path) -> str:
    """Return the id of the agent with this state directory, or an empty text if there is no such directory.

    It is made of device and inode, as containers have several directories with one path. A boot may change it, but
    leaves no link behind.
    """
    with suppress(OSError):
        status = state.stat()
        return f"{status.st_dev:x}-{status.st_ino:x}"
    return ""


def is_orphan_of(agent_id: str, alias: str | None) -> bool:
    """Return True if a process of that agent created the link and has ended."""
    match = ALIAS.fullmatch(alias or "")
    return match is not None and bool(agent_id) and match[3] == agent_id and living_owner(alias) is None


def living_owner(alias: str | None) -> int | None:
    """Return the process that an alias names, if it runs and is not this one."""
    match = ALIAS.fullmatch(alias or "")
    if match is None:
        return None
    pid, started = int(match[1]), int(match[2])
    return pid if pid != os.getpid() and started_at(pid) == started else None


def started_at(pid: int) -> int | None:
    """Return the start time of a process in clock ticks since boot (proc_pid_stat(5)); None if it has ended.

    With it, a process id that is used again never stands for the former process.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # before it is the program's name, which may hold any character
    return None if state in ENDED else int(fields[18])


def remove_orphans(agent_id: str, netlink: Netlink, kept: Collection[str] = ()) -> tuple[str, ...]:
    """Delete the links that a killed process of this agent left, except `kept`; return their names.

    Addresses and routes go with a link. Links of others, and of an agent that runs, are only read. Raises WarrenError.
    """
    removed = []
    for _, name in socket.if_nameindex():
        link = find_link(name, netlink)
        if link is None or name in kept or link.kind != KERNEL_KIND or not link.ours:
            continue
        if is_orphan_of(agent_id, link.alias):
            netlink.delete_link(link.index)
            removed.append(name)
    return tuple(removed)
