"""Files that grow at their end, as a log does.

Power cut: `append_file` leaves nothing on the disk by itself; after `sync_file` and `sync_directory` all is there.
A crash may leave a part of what was appended, which the reader has to recognize.
"""

from __future__ import annotations

import os
from pathlib import Path

from warren.files.atomic import write_whole
from warren.files.directory import NO_FOLLOW


def append_file(path: Path, content: bytes, mode: int) -> int:
    """Append all octets or none, make the file if there is none, and return its size. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_FOLLOW, mode)
    try:
        before = os.fstat(descriptor).st_size
        try:
            write_whole(descriptor, content)
        except OSError:
            os.ftruncate(descriptor, before)
            raise
        return before + len(content)
    finally:
        os.close(descriptor)


def truncate_file(path: Path, size: int) -> None:
    """Cut a file off behind its first `size` octets; on the disk when this returns. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | NO_FOLLOW)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Write the content of a file to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | NO_FOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
