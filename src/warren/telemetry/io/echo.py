"""Measures latency and loss by echoes inside the tunnels (H-65).

For each interface and version of IP there is one socket, that all its targets share. It is a ping socket, which the
group of this process must be allowed (`net.ipv4.ping_group_range`), or a raw one, which needs CAP_NET_RAW; with neither
nothing is measured, and `unavailable` says so.
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
# What a raw socket lets in, as a mask of what it does not (linux/icmp.h, RFC 3542 section 3.2).
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1
NOTHING = 0xFFFF_FFFF
ECHO_REPLY_ALONE: dict[Version, bytes] = {
    4: struct.pack("=I", NOTHING ^ 1 << REPLY[4]),
    6: struct.pack("=8I", *[NOTHING] * 4, NOTHING ^ 1 << REPLY[6] - 4 * 32, *[NOTHING] * 3),
}
GONE = frozenset((errno.ENODEV, errno.ENXIO))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where echoes go: an address, by way of an interface."""

    interface: str
    address: IPv4Address | IPv6Address

    @property
    def door(self) -> tuple[str, Version]:
        """What it shares a socket by."""
        return self.interface, 4 if self.address.version == 4 else 6


class Prober:
    """Sends each target an echo every `interval_seconds`, spread evenly, while `run` runs."""

    def __init__(self, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._interval = interval_seconds
        self._echoes: dict[Target, Echoes] = {}
        self._by_token: dict[bytes, Echoes] = {}
        self._sockets: dict[tuple[str, Version], EchoSocket] = {}
        self._has_targets = asyncio.Event()
        self.unavailable: str | None = None
        """Why nothing can be measured on this host."""

    def aim(self, targets: Iterable[Target]) -> None:
        """At these and no others from now on. Those that stay keep their figures."""
        self._echoes = {target: self._echoes.get(target) or Echoes(os.urandom(TOKEN_BYTES)) for target in targets}
        self._by_token = {echoes.token: echoes for echoes in self._echoes.values()}
        doors = {target.door for target in self._echoes}
        for door in self._sockets.keys() - doors:
            self._sockets.pop(door).close()
        if self._echoes:
            self._has_targets.set()
        else:
            self._has_targets.clear()

    def restart(self, target: Target) -> None:
        """What was sent to it before says nothing."""
        if target in self._echoes:
            self._echoes[target] = Echoes(os.urandom(TOKEN_BYTES))
            self._by_token = {echoes.token: echoes for echoes in self._echoes.values()}

    def figures(self, target: Target) -> Figures | None:
        """None before its first answer, and for what is no target."""
        echoes = self._echoes.get(target)
        return None if echoes is None else echoes.figures(clock.monotonic_seconds())

    async def run(self) -> None:
        """Until cancelled; then all sockets are closed."""
        try:
            while True:
                await self._has_targets.wait()
                pause = self._interval / len(self._echoes)
                for target in tuple(self._echoes):
                    if target in self._echoes:
                        self._send(target)
                    await asyncio.sleep(pause)
        finally:
            for door in tuple(self._sockets):
                self._sockets.pop(door).close()

    def _send(self, target: Target) -> None:
        """What cannot be sent is as lost as what gets no answer."""
        echoes = self._echoes[target]
        sequence = echoes.request(clock.monotonic_seconds())
        try:
            self._socket(target).send(target.address, sequence, echoes.token)
        except HostError as error:
            self._say_once(error)
        except OSError as error:
            log.debug("echo.not_sent", extra={"interface": target.interface, "reason": error.strerror})
            if error.errno in GONE and target.door in self._sockets:  # bound to an interface that is no more
                self._sockets.pop(target.door).close()

    def _socket(self, target: Target) -> EchoSocket:
        found = self._sockets.get(target.door)
        if found is None:
            found = self._sockets[target.door] = EchoSocket(*target.door, self._receive)
            self.unavailable = None
        return found

    def _receive(self, version: Version, message: bytes) -> None:
        reply = parse_reply(version, message)
        if reply is not None and (echoes := self._by_token.get(reply.data)) is not None:
            echoes.receive(reply.sequence, clock.monotonic_seconds())

    def _say_once(self, error: HostError) -> None:
        if self.unavailable is None:
            log.warning("echo.unavailable", extra={"reason": str(error), "hint": error.hint})
        self.unavailable = str(error)


class EchoSocket:
    """Sends echo requests out of one interface, and hands what comes back to `received`, as ICMP messages."""

    def __init__(self, interface: str, version: Version, received: Callable[[Version, bytes], None]) -> None:
        """Raises HostError where this process may not, OSError where there is no such interface."""
        self._version = version
        self._received = received
        self._identifier = int.from_bytes(os.urandom(2), "big")  # of a raw socket; the system has its own for the other
        self._socket, self._has_header = _open(version)
        try:
            _bind(self._socket, interface)
        except OSError:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._drain)

    def send(self, address: IPv4Address | IPv6Address, sequence: int, token: bytes) -> None:
        """Raises OSError."""
        self._socket.sendto(encode_request(self._version, self._identifier, sequence, token), (str(address), 0))

    def close(self) -> None:
        """No more is received."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _drain(self) -> None:
        with suppress(OSError):  # BlockingIOError at the end, and what an ICMP error left on the socket
            while True:
                octets = self._socket.recv(DATAGRAM_BYTES)
                self._received(self._version, ipv4_payload(octets) if self._has_header else octets)


def _open(version: Version) -> tuple[socket.socket, bool]:
    """The socket, and whether it gives packets with the header of IPv4. Raises HostError."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            opened = socket.socket(FAMILY[version], kind, PROTOCOL[version])
        except PermissionError:
            continue
        opened.setblocking(False)
        if kind is socket.SOCK_RAW:
            _filter(opened, version)
        return opened, kind is socket.SOCK_RAW and version == 4
    raise HostError("this process may not send echoes: latency and loss are not measured", code="echo.not_permitted")


def _filter(raw: socket.socket, version: Version) -> None:
    """Else it would get all ICMP of this host. Only Linux has the first."""
    if version == 6:
        raw.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, ECHO_REPLY_ALONE[6])
    elif sys.platform == "linux":
        raw.setsockopt(SOL_RAW, ICMP_FILTER, ECHO_REPLY_ALONE[4])


def _bind(opened: socket.socket, interface: str) -> None:
    """Where the system does not let us, the routes decide, which lead there too."""
    if sys.platform == "linux":
        with suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
