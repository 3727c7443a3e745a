"""Writes into what is at a path, without a rename: not atomic, for what a rename cannot replace.

Power cut or kill: a part of the content may be left. Hostile directory: `overwrite_file` follows no link at the end of
the path, and with `trust` none at all that is not root's; `write_output` follows links, as a user names its path.
"""

from __future__ import annotations

import os
from pathlib import Path

from warren.files.atomic import write_whole
from warren.files.trusted_path import Trust, open_in_place

CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)


def overwrite_file(path: Path, content: bytes, *, trust: Trust | None) -> None:
    """Write into the file that is there and no link, as one that is a mount point, and onto the disk.

    Raises OSError and UntrustedPathError.
    """
    descriptor = open_in_place(path, os.O_WRONLY, trust=trust)
    try:
        os.ftruncate(descriptor, 0)
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
