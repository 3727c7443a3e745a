"""What passes on a cable: the WireGuard datagrams of one link, seen by a packet socket."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from .host import Host

ETH_P_ALL = 3
PACKET_OUTGOING = 4
KEEPALIVE_BYTES = 32
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram, the first fragment of one, or a train of several that the kernel has not cut yet (UDP_SEGMENT).

    `kind` is the first octet: WireGuard's message type.
    """

    outgoing: bool
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes

    @property
    def kind(self) -> int:
        return self.payload[0] if self.payload else 0


def _parse(frame: bytes, *, outgoing: bool) -> Datagram | None:
    kind, packet = struct.unpack_from(">H", frame, 12)[0], frame[14:]
    if kind == 0x0800 and packet[9] == socket.IPPROTO_UDP and not struct.unpack_from(">H", packet, 6)[0] & 0x1FFF:
        addresses, udp = (packet[12:16], packet[16:20]), packet[(packet[0] & 15) * 4 :]
    elif kind == 0x86DD and packet[6] == socket.IPPROTO_UDP:
        addresses, udp = (packet[8:24], packet[24:40]), packet[40:]
    else:
        return None
    ports = struct.unpack_from(">HH", udp)
    source, destination = (str(ip_address(octets)) for octets in addresses)
    return Datagram(outgoing, source, ports[0], destination, ports[1], udp[8:])


class Wire:
    """Use as a context manager: `seen` grows while it is open."""

    def __init__(self, host: Host, link: str = "eth0") -> None:
        self.seen: list[Datagram] = []
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((link, ETH_P_ALL))
        self._socket.settimeout(POLL_SECONDS)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while not self._closing.is_set():
            try:
                frame, where = self._socket.recvfrom(1 << 17)
            except TimeoutError:
                continue
            if datagram := _parse(frame, outgoing=where[2] == PACKET_OUTGOING):
                self.seen.append(datagram)

    def count(self, wanted: Callable[[Datagram], bool]) -> int:
        """How many of those seen so far are wanted."""
        return sum(map(wanted, list(self.seen)))
