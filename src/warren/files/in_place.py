"""Writes into what is at a path, without a rename: not atomic, for what a rename cannot replace.

Power cut or kill: a part of the content may be left. Hostile directory: links are followed, so root does this only
where nobody else can write.
"""

from __future__ import annotations

import os
from pathlib import Path

from warren.files.atomic import write_whole

CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)


def overwrite_file(path: Path, content: bytes) -> None:
    """Write into the file that is there, as one that is a mount point, and onto the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | CLOSE_ON_EXEC)
    try:
        write_whole(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_output(path: Path, content: bytes) -> None:
    """Write to what a user has named for the output of a command: a file, which is made, or a device or pipe.

    Raises OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | CLOSE_ON_EXEC, 0o666)
    try:
        write_whole(descriptor, content)
    finally:
        os.close(descriptor)
