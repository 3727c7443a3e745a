"""Measure latency and loss by ICMP echoes inside the tunnels (H-65).

Each interface and version of IP has one socket, which all its targets share. It is a ping socket, which
`net.ipv4.ping_group_range` must allow for the group of this process, or a raw socket, which needs CAP_NET_RAW. With
neither nothing is measured, and `unavailable` names the reason.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from warren import clock
from warren.errors import HostError
from warren.telemetry.echo import (
    REPLY,
    TOKEN_BYTES,
    Echoes,
    Figures,
    Version,
    encode_request,
    ipv4_payload,
    parse_reply,
)

INTERVAL_SECONDS = 5.0  # three unanswered are the 15 s after which a redundant peer counts as down
DATAGRAM_BYTES = 2048
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
# The message types that a raw socket receives, as a mask of those that it drops (linux/icmp.h, RFC 3542 section 3.2).
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1
DROP_ALL = 0xFFFF_FFFF
ECHO_REPLY_ONLY: dict[Version, bytes] = {
    4: struct.pack("=I", DROP_ALL ^ 1 << REPLY[4]),
    6: struct.pack("=8I", *[DROP_ALL] * 4, DROP_ALL ^ 1 << REPLY[6] - 4 * 32, *[DROP_ALL] * 3),
}
LINK_GONE = frozenset((errno.ENODEV, errno.ENXIO))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """An address that is probed through an interface."""

    interface: str
    address: IPv4Address | IPv6Address

    @property
    def socket_key(self) -> tuple[str, Version]:
        """Return the key of the socket that it shares with other targets."""
        return self.interface, 4 if self.address.version == 4 else 6


class Prober:
    """Sends an echo to each target every `interval_seconds`, spread evenly, while `run` runs."""

    def __init__(self, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._interval = interval_seconds
        self._echoes: dict[Target, Echoes] = {}
        self._by_token: dict[bytes, Echoes] = {}
        self._sockets: dict[tuple[str, Version], EchoSocket] = {}
        self._has_targets = asyncio.Event()
        self.unavailable: str | None = None
        """Why nothing can be measured on this host; None if it can."""

    def set_targets(self, targets: Iterable[Target]) -> None:
        """Probe these targets and no others from now on. Targets that stay keep their figures."""
        self._echoes = {target: self._echoes.get(target) or Echoes(os.urandom(TOKEN_BYTES)) for target in targets}
        self._by_token = {echoes.token: echoes for echoes in self._echoes.values()}
        socket_keys = {target.socket_key for target in self._echoes}
        for socket_key in self._sockets.keys() - socket_keys:
            self._sockets.pop(socket_key).close()
        if self._echoes:
            self._has_targets.set()
        else:
            self._has_targets.clear()

    def restart(self, target: Target) -> None:
        """Forget the echoes that were sent to a target so far."""
        if target in self._echoes:
            self._echoes[target] = Echoes(os.urandom(TOKEN_BYTES))
            self._by_token = {echoes.token: echoes for echoes in self._echoes.values()}

    def figures(self, target: Target) -> Figures | None:
        """Return latency and loss; None before the first reply, and for an address that is no target."""
        echoes = self._echoes.get(target)
        return None if echoes is None else echoes.figures(clock.monotonic_seconds())

    async def run(self) -> None:
        """Send echoes until cancelled; then close all sockets."""
        try:
            while True:
                await self._has_targets.wait()
                pause = self._interval / len(self._echoes)
                for target in tuple(self._echoes):
                    if target in self._echoes:
                        self._send(target)
                    await asyncio.sleep(pause)
        finally:
            for socket_key in tuple(self._sockets):
                self._sockets.pop(socket_key).close()

    def _send(self, target: Target) -> None:
        """Send one echo. An echo that cannot be sent counts as lost."""
        echoes = self._echoes[target]
        sequence = echoes.request(clock.monotonic_seconds())
        try:
            self._socket(target).send(target.address, sequence, echoes.token)
        except HostError as error:
            self._report_unavailable(error)
        except OSError as error:
            log.debug("echo.send_failed", extra={"interface": target.interface, "reason": error.strerror})
            if (
                error.errno in LINK_GONE and target.socket_key in self._sockets
            ):  # it is bound to an interface that was removed
                self._sockets.pop(target.socket_key).close()

    def _socket(self, target: Target) -> EchoSocket:
        existing = self._sockets.get(target.socket_key)
        if existing is None:
            existing = self._sockets[target.socket_key] = EchoSocket(*target.socket_key, self._receive)
            self.unavailable = None
        return existing

    def _receive(self, version: Version, message: bytes) -> None:
        reply = parse_reply(version, message)
        if reply is not None and (echoes := self._by_token.get(reply.data)) is not None:
            echoes.receive(reply.sequence, clock.monotonic_seconds())

    def _report_unavailable(self, error: HostError) -> None:
        if self.unavailable is None:
            log.warning("echo.unavailable", extra={"reason": str(error), "hint": error.hint})
        self.unavailable = str(error)


class EchoSocket:
    """Sends echo requests out of one interface, and passes the ICMP messages that come back to `received`."""

    def __init__(self, interface: str, version: Version, received: Callable[[Version, bytes], None]) -> None:
        """Open the socket. Raises HostError if that is not permitted, OSError if there is no such interface."""
        self._version = version
        self._received = received
        self._identifier = int.from_bytes(os.urandom(2), "big")  # used by a raw socket; a ping socket has its own
        self._socket, self._has_header = _open(version)
        try:
            _bind(self._socket, interface)
        except OSError:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._drain)

    def send(self, address: IPv4Address | IPv6Address, sequence: int, token: bytes) -> None:
        """Send one request. Raises OSError."""
        self._socket.sendto(encode_request(self._version, self._identifier, sequence, token), (str(address), 0))

    def close(self) -> None:
        """Close the socket."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _drain(self) -> None:
        with suppress(OSError):  # BlockingIOError at the end, and pending ICMP errors
            while True:
                octets = self._socket.recv(DATAGRAM_BYTES)
                self._received(self._version, ipv4_payload(octets) if self._has_header else octets)


def _open(version: Version) -> tuple[socket.socket, bool]:
    """Return a socket, and whether its packets start with an IPv4 header. Raises HostError."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            opened = socket.socket(FAMILY[version], kind, PROTOCOL[version])
        except PermissionError:
            continue
        opened.setblocking(False)
        if kind is socket.SOCK_RAW:
            _filter(opened, version)
        return opened, kind is socket.SOCK_RAW and version == 4
    raise HostError("this process may not send ICMP echo requests", code="echo.not_permitted")


def _filter(raw: socket.socket, version: Version) -> None:
    """Receive only echo replies, not all ICMP of this host. Only Linux has the filter for IPv4."""
    if version == 6:
        raw.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, ECHO_REPLY_ONLY[6])
    elif sys.platform == "linux":
        raw.setsockopt(SOL_RAW, ICMP_FILTER, ECHO_REPLY_ONLY[4])


def _bind(opened: socket.socket, interface: str) -> None:
    """Bind the socket to the interface; where the system does not permit it, the routes decide and lead there too."""
    if sys.platform == "linux":
        with suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
