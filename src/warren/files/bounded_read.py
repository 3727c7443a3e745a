"""Reads with a limit: no link is followed, no pipe is waited for, and a long file takes no memory.

Hostile directory: the state of a file is taken from the descriptor that is read, so that what was checked is what was
read. Power cut: nothing is changed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from warren.files.directory import NO_FOLLOW, READ_FLAGS, link_error
from warren.files.trusted_path import NAMED_BY_USER, Trust, open_trusted


def open_for_reading(path: Path, *, trust: Trust | None) -> int:
    """Open a file that is no link and return its descriptor. Raises OSError and UntrustedPathError."""
    if trust is not None:
        return open_trusted(path, trust=trust)
    try:
        return os.open(path, READ_FLAGS | NO_FOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise link_error(path) from error
        raise


def open_following(path: Path) -> int:
    """Open a file by whatever links lead to it, as a user names one. Raises OSError."""
    return os.open(path, READ_FLAGS | getattr(os, "O_CLOEXEC", 0))


@contextmanager
def open_binary(path: Path, *, trust: Trust | None) -> Iterator[BinaryIO]:
    """Open a file for reading: what a user has named, by links and be it a pipe, or with `trust` a regular file alone.

    Raises OSError and UntrustedPathError.
    """
    with path.open("rb") if trust is None else open(open_trusted(path, trust=trust), "rb") as file:  # noqa: PTH123, from a descriptor
        if trust is not None and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        yield file


def read_descriptor(descriptor: int, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """Return the first `max_bytes` octets of an open file and its state, and close it.

    Raises OSError; the content of what is no regular file is empty.
    """
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        return file.read(max_bytes) if stat.S_ISREG(status.st_mode) else b"", status


def read_named(path: Path, max_bytes: int) -> bytes:
    """Return the first `max_bytes` octets of what a user has named: by links, and be it a pipe. Raises OSError."""
    with open_binary(path, trust=NAMED_BY_USER) as file:
        return file.read(max_bytes)


def read_bounded(path: Path, max_bytes: int, *, trust: Trust | None) -> tuple[bytes, os.stat_result]:
    """Return the first `max_bytes` octets of a file that is no link, and its state.

    Raises OSError and UntrustedPathError; the content of what is no regular file is empty.
    """
    return read_descriptor(open_for_reading(path, trust=trust), max_bytes)
