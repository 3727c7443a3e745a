"""Files put in their place: whole, and on the disk when a function returns."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

OPEN_DIRECTORY = 0o755


def make_directory(path: Path) -> None:
    """One that all may look into, whatever the umask, unless it is there. Raises OSError."""
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(OPEN_DIRECTORY)


def replace_file(path: Path, octets: bytes, mode: int) -> None:
    """Whoever reads meanwhile has what was or what comes. Raises OSError, with `path` as it was."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123, from a descriptor
            file.write(octets)
            file.flush()
            Path(temporary).chmod(mode)
            os.fsync(descriptor)
        Path(temporary).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Its entries are on the disk when this returns. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
