"""One agent for one state directory: what it has changed on the host is written there, and a second would undo it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from warren.errors import HostError
from warren.files.unix_socket import take_lock
from warren.tunnel.io.file_snapshot import make_directory

NAME = "agent.lock"
MODE = 0o600  # who can open it can lock it, and keep the agent from starting
MAX_BYTES = 4096


@contextmanager
def instance_lock(journal: Path, purpose: str) -> Iterator[None]:
    """Has `journal`, the part of a state directory that must be undone, for itself; the kernel ends that after a kill.

    Where it cannot be made or written there is nothing to claim. `purpose` is for others to read. Raises HostError
    `agent.running` where another process has it, with its pid and purpose.
    """
    with suppress(OSError):
        make_directory(journal)
    try:
        descriptor = os.open(journal / NAME, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), MODE)
    except OSError:
        yield
        return
    try:
        if not take_lock(descriptor):
            raise _taken(journal.parent, os.read(descriptor, MAX_BYTES).decode(errors="replace").strip())
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"pid {os.getpid()}, {purpose}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _taken(state: Path, who: str) -> HostError:
    hint = "stop that one, or give each a directory of its own as [daemon] state"
    problem = f"another agent works with {state} already: {who or 'it has just begun'}"
    return HostError(problem, code="agent.running", hint=hint)
