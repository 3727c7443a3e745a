"""Lock files: one process at a time, for as long as it has the file open (flock(2)).

Power cut and kill: the kernel releases the lock when the process ends; the file stays, and means nothing by itself.
Hostile directory: the file is never a link, and has mode 0600, as whoever can open it can lock it. Who can remove it
can take the lock a second time, so a lock that root relies on is opened with `trust`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from warren.clock import monotonic_seconds
from warren.errors import HostError
from warren.files.trusted_path import Trust, open_in_place
from warren.terminal import visible_line

if sys.platform != "win32":
    import fcntl

MODE = 0o600
MAX_HOLDER_BYTES = 4096
POLL_INTERVAL = 0.05  # seconds between two attempts: a wait in the kernel could not be given up


class LockFile:
    """An open lock file. Methods raise OSError."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path, *, trust: Trust | None) -> Self:
        """Open or make a lock file, and take no lock yet. Raises OSError and UntrustedPathError."""
        flags = os.O_RDWR | os.O_CREAT
        return cls(path, open_in_place(path, flags, MODE, trust=trust))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def acquire(self) -> bool:
        """Take the lock. Return False if another process has it."""
        if sys.platform != "win32":
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True
        raise HostError("this system has no file locks (flock)", code="host.refused")

    def wait(self, timeout_seconds: float) -> bool:
        """Take the lock when it is released. Return False if that has not happened after the timeout. Blocks."""
        deadline = monotonic_seconds() + timeout_seconds
        while not self.acquire():
            if monotonic_seconds() > deadline:
                return False
            time.sleep(POLL_INTERVAL)
        return True

    @property
    def is_linked(self) -> bool:
        """Return whether the file still has a name: who had the lock before may have removed it."""
        return os.fstat(self._descriptor).st_nlink > 0

    @property
    def holder(self) -> str:
        """Return what the process that has the lock wrote about itself, on one line; empty if nothing.

        It is for people: whoever can write the file can write anything.
        """
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return visible_line(os.read(self._descriptor, MAX_HOLDER_BYTES).decode(errors="replace").strip())

    def record_holder(self, text: str) -> None:
        """Write one line about the process that has the lock, for others to read."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, f"{text}\n".encode())

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)
