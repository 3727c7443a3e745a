"""Files that grow at their end, as a log does.

Power cut: `append_file` leaves nothing on the disk by itself; after `sync_file` and `sync_directory` all is there.
A crash may leave a part of what was appended, which the reader has to recognize.
"""

from __future__ import annotations

import os
from pathlib import Path

from warren.files.atomic import write_whole
from warren.files.trusted_path import Trust, open_in_place


def append_file(path: Path, content: bytes, mode: int, *, trust: Trust | None) -> int:
    """Append all octets or none, make the file if there is none, and return its size.

    Raises OSError and UntrustedPathError.
    """
    descriptor = open_in_place(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode, trust=trust)
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


def truncate_file(path: Path, size: int, *, trust: Trust | None) -> None:
    """Cut a file off behind its first `size` octets; on the disk when this returns.

    Raises OSError and UntrustedPathError.
    """
    descriptor = open_in_place(path, os.O_WRONLY, trust=trust)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path, *, trust: Trust | None) -> None:
    """Write the content of a file to the disk. Raises OSError and UntrustedPathError."""
    descriptor = open_in_place(path, os.O_RDONLY, trust=trust)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
