"""Reads the files of wg-quick(8) from the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from warren.errors import ConfigError, Finding, HostError, InputError
from warren.tunnel.wgquick import WgQuickFile, parse_wgquick, unsupported

SUFFIX = ".conf"
MAX_BYTES = 64 << 20  # what the engine takes in one message; 10,000 peers need some 5 MB


Opener = Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class ConfFile:
    """A file as it was read. `warnings` are for a person."""

    content: WgQuickFile
    warnings: tuple[str, ...]


def interface_name(path: Path) -> str:
    """The interface that a file is for: its name without `.conf`, as wg-quick has it. Raises ConfigError."""
    if path.suffix != SUFFIX:
        raise ConfigError(
            [Finding("the file's name", "does not end with .conf", "expected INTERFACE.conf")], source=str(path)
        )
    return path.stem


def read_conf(path: Path) -> ConfFile:
    """Reads and parses a file. Raises ConfigError, or InputError if others may write it.

    One that others may only read is warned of, as wg-quick does: it is often so where the file was made by an umask,
    and refusing would take a working tunnel away.
    """
    name = interface_name(path)
    text, status = read_text(path)
    _check_writers(path, status)
    return ConfFile(parse_wgquick(text, name=name, source=str(path)), _warnings(path, status))


def open_file(path: Path) -> int:
    """A descriptor to read it by. Raises OSError."""
    return os.open(path, os.O_RDONLY)


def read_text(path: Path, opener: Opener = open_file) -> tuple[str, os.stat_result]:
    """What a file of a configuration says, and the file's own state; `opener` is who opens it.

    Raises HostError, InputError or ConfigError.
    """
    try:
        with open(opener(path), "rb") as file:  # noqa: PTH123, from a descriptor
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path} is not a regular file", code="config.invalid")
            octets = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", code="config.unreadable", errno=error.errno) from error
    if len(octets) > MAX_BYTES:
        raise InputError(f"{path} has more than {MAX_BYTES} octets", code="config.invalid")
    return _decode(path, octets), status


def read_supported(path: Path) -> ConfFile:
    """Reads a file that asks only for what Warren does. Raises ConfigError with every line that asks for more."""
    file = read_conf(path)
    if findings := unsupported(file.content):
        wgquick = f"WG_QUICK_USERSPACE_IMPLEMENTATION=warren-wg wg-quick up {path}"
        hint = f"nothing was changed; Warren's agent will do this, and wg-quick does it today:\n{wgquick}"
        raise ConfigError(findings, source=str(path), code="config.unsupported", hint=hint)
    return file


def _check_writers(path: Path, status: os.stat_result) -> None:
    if status.st_mode & stat.S_IWOTH:
        problem = f"{path} can be written by everybody (mode {stat.S_IMODE(status.st_mode):04o})"
        raise InputError(problem, code="config.permissions", hint=f"see who did, then: chmod 600 {path}")


def _warnings(path: Path, status: os.stat_result) -> tuple[str, ...]:
    if status.st_mode & (stat.S_IROTH | stat.S_IXOTH):
        return (f"{path} is world accessible, and has a private key in it; close it with: chmod 600 {path}",)
    return ()


def _decode(path: Path, octets: bytes) -> str:
    try:
        return octets.decode("utf-8-sig")  # editors on Windows put a mark before the first line
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([Finding("this line", "is not UTF-8", "expected text", line)], source=str(path)) from error
