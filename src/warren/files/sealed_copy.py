"""Files in memory that nobody can change any more (memfd_create(2)), their owner included."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

from warren.files.atomic import write_whole

if sys.platform == "linux":
    import fcntl

MFD_EXEC = 0x10  # since Linux 6.3; before, every copy can be executed


def sealed_copy(content: bytes, name: str, mode: int = 0o555) -> int:
    """Make a sealed file of memory and return a descriptor that reads it from its beginning. Raises OSError."""
    if sys.platform == "linux":
        copy = _memory(name)
        try:
            write_whole(copy, content)
            os.fchmod(copy, mode)
            seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)
            return os.open(f"/proc/self/fd/{copy}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(copy)
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _memory(name: str) -> int:
    if sys.platform == "linux":
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        with suppress(OSError):
            return os.memfd_create(name, flags | MFD_EXEC)
        return os.memfd_create(name, flags)
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
