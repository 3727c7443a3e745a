"""The doors of the local HTTP: TCP addresses and a Unix socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from warren.errors import HostError
from warren.files.unix_listener import listen

BACKLOG = 64
NO_SUCH_ADDRESS = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where to listen; port 0 lets the system choose."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpListener:
    """A socket that listens. Whoever comes in by one that is trusted needs no token."""

    listener: socket.socket
    name: str
    undo: ExitStack
    trusted: bool = False

    def close(self) -> None:
        """No more come in, and nothing is left of it."""
        self.undo.close()


def open_tcp(address: TcpAddress) -> HttpListener:
    """Raises HostError: `http.port_in_use` where another program listens there."""
    family = socket.AF_INET if address.host.version == 4 else socket.AF_INET6
    try:
        listener = socket.create_server((str(address.host), address.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise _unusable(address, error) from error
    listener.setblocking(False)
    undo = ExitStack()
    undo.enter_context(listener)
    port = listener.getsockname()[1]
    return HttpListener(listener, str(TcpAddress(address.host, port)), undo)


def open_unix(path: Path, group: int | None = None) -> HttpListener:
    """As the control socket: for its owner and `group`, mode 0660, one agent for one path. Raises HostError."""
    found = listen(path, group)
    return HttpListener(found.socket, str(path), found.undo, trusted=True)


def open_all(addresses: Iterable[TcpAddress]) -> tuple[list[HttpListener], list[HostError]]:
    """Those that can be opened, and why the others cannot. IPv6's loopback is not missed on a host without IPv6."""
    doors: list[HttpListener] = []
    errors: list[HostError] = []
    for address in addresses:
        try:
            doors.append(open_tcp(address))
        except HostError as error:
            if not (address.host.version == 6 and address.host.is_loopback and error.errno in NO_SUCH_ADDRESS):
                errors.append(error)
    return doors, errors


def _unusable(address: TcpAddress, error: OSError) -> HostError:
    if error.errno == errno.EADDRINUSE:
        problem = f"TCP port {address.port} of {address.host} is in use by another program"
        return HostError(problem, code="http.port_in_use", errno=error.errno)
    return HostError(f"cannot listen on {address}: {error.strerror}", code="http.refused", errno=error.errno)
