"""Open the listeners of an HTTP endpoint: TCP addresses and a Unix socket."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from warren.errors import HostError, WarrenError
from warren.files.trusted_path import process_trust
from warren.files.unix_listener import listen

BACKLOG = 64
NO_SUCH_ADDRESS = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Name an address to listen on; port 0 lets the system choose one."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpListener:
    """Hold a listening socket. Requests on one that is trusted need no token."""

    socket: socket.socket
    name: str
    undo: ExitStack
    trusted: bool = False

    def close(self) -> None:
        """Stop listening, and remove the socket's file."""
        self.undo.close()


def open_tcp(address: TcpAddress) -> HttpListener:
    """Listen on a TCP address. Raises HostError, `http.port_in_use` if another program listens there."""
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
    """Listen on a Unix socket for its owner and `group`, mode 0660, one agent per path. Raises HostError."""
    unix = listen(path, group, trust=process_trust())
    return HttpListener(unix.socket, str(path), unix.undo, trusted=True)


def is_missing_ipv6(address: TcpAddress, problem: WarrenError | None) -> bool:
    """Return whether the loopback of IPv6 could not be opened because this host has no IPv6, which is no error."""
    is_loopback = address.host.version == 6 and address.host.is_loopback
    return is_loopback and isinstance(problem, HostError) and problem.errno in NO_SUCH_ADDRESS


def _unusable(address: TcpAddress, error: OSError) -> HostError:
    if error.errno == errno.EADDRINUSE:
        problem = f"TCP port {address.port} of {address.host} is in use by another program"
        return HostError(problem, code="http.port_in_use", errno=error.errno)
    return HostError(f"cannot listen on {address}: {error.strerror}", code="http.refused", errno=error.errno)
