"""Reads the files of wg-quick(8) from the disk."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from warren.errors import ConfigError, Finding, HostError, InputError
from warren.files.bounded_read import open_following, read_descriptor
from warren.tunnel.wgquick import WgQuickFile, parse_wgquick, unsupported

SUFFIX = ".conf"
ENCODING = "utf-8-sig"  # editors on Windows put a mark before the first line
MAX_BYTES = 64 << 20  # what the engine takes in one message; 10,000 peers need some 5 MB


Opener = Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class ConfFile:
    """A parsed file. `warnings` are for a person."""

    content: WgQuickFile
    warnings: tuple[str, ...]


def interface_name(path: Path) -> str:
    """Return the interface that a file configures: its name without `.conf`, as in wg-quick(8). Raises ConfigError."""
    if path.suffix != SUFFIX:
        raise ConfigError(
            [Finding("the file's name", "does not end with .conf", "expected INTERFACE.conf")], source=str(path)
        )
    return path.stem


def read_conf(path: Path) -> ConfFile:
    """Read and parse a file. Raises ConfigError, and InputError if everybody can write it.

    A file that everybody can read gives a warning, as with wg-quick: it is often made so by an umask, and a refusal
    would take a working tunnel away.
    """
    name = interface_name(path)
    octets, status = _read_octets(path, open_following)
    _check_writers(path, status)
    # What is not UTF-8 may stand in a comment, as wg reads it.
    text = octets.decode(ENCODING, errors="replace")
    content = parse_wgquick(text, name=name, source=str(path), find_port=find_udp_port)
    return ConfFile(content, _warnings(path, status))


def find_udp_port(service: str) -> int | None:
    """Return the UDP port of a service of this host, or None (services(5))."""
    try:
        return socket.getservbyname(service, "udp")
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None


def read_text(path: Path, opener: Opener = open_following) -> tuple[str, os.stat_result]:
    """Return the text of a configuration file and the state of the file; `opener` opens it.

    Raises HostError, InputError and ConfigError.
    """
    octets, status = _read_octets(path, opener)
    return _decode(path, octets), status


def _read_octets(path: Path, opener: Opener) -> tuple[bytes, os.stat_result]:
    try:
        octets, status = read_descriptor(opener(path), MAX_BYTES + 1)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", code="config.unreadable", errno=error.errno) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a regular file", code="config.invalid")
    if len(octets) > MAX_BYTES:
        raise InputError(f"{path} has more than {MAX_BYTES} octets", code="config.invalid")
    return octets, status


def read_supported(path: Path) -> ConfFile:
    """Read a file that has only supported settings. Raises ConfigError with a finding for each other line."""
    file = read_conf(path)
    if findings := unsupported(file.content):
        wgquick = f"WG_QUICK_USERSPACE_IMPLEMENTATION=warren-wg wg-quick up {path}"
        hint = f"nothing was changed; wg-quick(8) does it:\n{wgquick}"
        raise ConfigError(findings, source=str(path), code="config.unsupported", hint=hint)
    return file


def _check_writers(path: Path, status: os.stat_result) -> None:
    if status.st_mode & stat.S_IWOTH:
        problem = f"{path} is writable by everybody (mode {stat.S_IMODE(status.st_mode):04o})"
        raise InputError(problem, code="config.permissions", hint=f"see who did, then: chmod 600 {path}")


def _warnings(path: Path, status: os.stat_result) -> tuple[str, ...]:
    if status.st_mode & (stat.S_IROTH | stat.S_IXOTH):
        return (f"{path} is world accessible and holds a private key; mend it: chmod 600 {path}",)
    return ()


def _decode(path: Path, octets: bytes) -> str:
    try:
        return octets.decode(ENCODING)
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([Finding("this line", "is not UTF-8", "expected text", line)], source=str(path)) from error
