"""The token of the local HTTP: a file that its owner and one group can read."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from warren.errors import HostError

MODE = 0o640
TOKEN_BYTES = 32
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,256}")
MAX_BYTES = 512
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def read_or_make_token(path: Path, group: int | None = None) -> str:
    """The token in `path`, which is made with mode 0640, for `group` if given, where there is none.

    Raises HostError for a file that everyone can read or write, that is no regular file, or that holds no token.
    """
    try:
        with suppress(FileNotFoundError):
            return _read(path)
        with suppress(FileExistsError):
            _make(path, group)
        return _read(path)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", code="http.token_file_invalid", errno=error.errno) from error


def _read(path: Path) -> str:
    with open(os.open(path, OPEN_FLAGS), "rb") as file:  # noqa: PTH123, from a descriptor
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise HostError(f"{path} is not a regular file", code="http.token_file_invalid")
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            mode = stat.S_IMODE(status.st_mode)
            raise HostError(
                f"{path} is open to others (mode {mode:04o}), expected 0640", code="http.token_file_invalid"
            )
        text = file.read(MAX_BYTES).decode("ascii", "replace").strip()
    if not TOKEN.fullmatch(text):
        raise HostError(f"{path} holds no token; expected 32 to 256 of A-Z a-z 0-9 _ -", code="http.token_file_invalid")
    return text


def _make(path: Path, group: int | None) -> None:
    """Whole or not at all. Raises FileExistsError if another was quicker."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123, from a descriptor
            file.write(f"{secrets.token_urlsafe(TOKEN_BYTES)}\n".encode())
            file.flush()
            if group is not None and sys.platform != "win32":
                os.fchown(descriptor, -1, group)
            Path(temporary).chmod(MODE)
            os.fsync(descriptor)
        os.link(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
