"""One agent for one state directory: a second one would undo what the first has changed on the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from warren.errors import HostError
from warren.files.lock_file import LockFile
from warren.files.make_directory import make_directory
from warren.files.trusted_path import process_trust

NAME = "agent.lock"
DIRECTORY_MODE = 0o700


@contextmanager
def instance_lock(journal: Path, purpose: str) -> Iterator[None]:
    """Lock `journal`, the part of a state directory that holds what must be undone; a kill releases the lock.

    A directory that cannot be made or written holds nothing to undo, and is not locked. `purpose` is for others to
    read. Raises UntrustedPathError, and HostError `agent.running` if another process has the lock, with its pid and
    purpose.
    """
    with suppress(OSError):
        make_directory(journal, DIRECTORY_MODE, trust=process_trust())
    try:
        lock = LockFile.open(journal / NAME, trust=process_trust())
    except OSError:
        yield
        return
    with lock:
        if not lock.acquire():
            raise _in_use(journal.parent, lock.holder)
        lock.record_holder(f"pid {os.getpid()}, {purpose}")
        yield


def _in_use(state: Path, holder: str) -> HostError:
    hint = "stop that agent, or give each a directory of its own as [daemon] state"
    return HostError(f"another agent uses {state}: {holder or 'it is starting'}", code="agent.running", hint=hint)
