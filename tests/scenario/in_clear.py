"""Packets that leave a host in clear: what its uplink sends to an address behind a tunnel."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Self

from tests.netns.host import Host

ALL_PROTOCOLS = 3  # ETH_P_ALL
BUFFER_BYTES = 1 << 22
DESTINATION = slice(16, 20)  # of an IPv4 header


class ClearPackets:
    """Use as a context manager; `count` is known after it."""

    def __init__(self, host: Host, destination: str, link: str = "eth0") -> None:
        self._host, self._link = host, link
        self._destination = ip_address(destination).packed
        self.count = 0

    def __enter__(self) -> Self:
        self._socket = self._host.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._socket.bind((self._link, ALL_PROTOCOLS))
        self._socket.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        with self._socket, suppress(BlockingIOError):
            while True:
                packet, where = self._socket.recvfrom(64)
                is_sent = where[2] == socket.PACKET_OUTGOING and packet[0] >> 4 == 4
                self.count += is_sent and packet[DESTINATION] == self._destination
