"""The tokens of the local HTTP: a file that its owner and perhaps one group can read.

Power cut: the file is whole or not there, and the next start makes one.
"""

from __future__ import annotations

import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from warren.errors import HostError
from warren.files.atomic import create_file
from warren.files.bounded_read import read_descriptor
from warren.files.directory import READ_FLAGS
from warren.files.trusted_path import parent_directory, process_trust

GROUP_MODE = 0o640
OWNER_MODE = 0o600
TOKEN_BYTES = 32
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,256}")
MAX_BYTES = 512


def read_or_make_token(path: Path, group: int | None = None, mode: int = GROUP_MODE) -> str:
    """Return the token in `path`; if there is no file, make one with this mode, for `group` if given.

    Raises HostError for a file that is accessible to more users, that is not a regular file, or that contains no token.
    """
    try:
        with suppress(FileNotFoundError):
            return _read(path, mode)
        with suppress(FileExistsError):  # another process was quicker
            create_file(path, _new_token(), mode, trust=process_trust(), owner=None if group is None else (-1, group))
        return _read(path, mode)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", code="http.token_file_invalid", errno=error.errno) from error


def make_token(path: Path, mode: int, owner: tuple[int, int]) -> None:
    """Make a token with this mode for this user and group if there is no file yet.

    Raises OSError and UntrustedPathError.
    """
    if not path.exists():
        with suppress(FileExistsError):  # a link that leads nowhere, which its reader refuses
            create_file(path, _new_token(), mode, trust=process_trust(), owner=owner)


def _new_token() -> bytes:
    return f"{secrets.token_urlsafe(TOKEN_BYTES)}\n".encode()


def _read(path: Path, expected: int) -> str:
    with parent_directory(path, process_trust()) as directory:  # the file itself is the service's, whoever reads it
        octets, status = read_descriptor(directory.open(path.name, READ_FLAGS), MAX_BYTES)
    if not stat.S_ISREG(status.st_mode):
        raise HostError(f"{path} is not a regular file", code="http.token_file_invalid")
    mode = stat.S_IMODE(status.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO) & ~expected:
        raise HostError(
            f"{path} is accessible to others (mode {mode:04o}), expected {expected:04o}", code="http.token_file_invalid"
        )
    text = octets.decode("ascii", "replace").strip()
    if not TOKEN.fullmatch(text):
        raise HostError(f"{path}: invalid token; expected 32 to 256 of A-Z a-z 0-9 _ -", code="http.token_file_invalid")
    return text
