"""ICMP echo requests and replies (RFC 792, RFC 4443 section 4), and the latency and loss that follow from them.

A request carries `TOKEN_BYTES` that nobody off the path can guess; a reply counts if it brings them back.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Version = Literal[4, 6]

REQUEST: dict[Version, int] = {4: 8, 6: 128}
REPLY: dict[Version, int] = {4: 0, 6: 129}
HEADER = struct.Struct(">BBHHH")  # type, code, checksum, identifier, sequence
IPV4_HEADER_BYTES = 20  # at least
SEQUENCES = 1 << 16
TOKEN_BYTES = 16
WINDOW = 20  # echoes that loss is counted over: steps of 5 %
TIMEOUT_SECONDS = 3.0  # an echo that takes longer is lost; no path that people use is slower


@dataclass(frozen=True, slots=True)
class EchoReply:
    """One echo reply."""

    identifier: int
    sequence: int
    data: bytes


def encode_request(version: Version, identifier: int, sequence: int, data: bytes) -> bytes:
    """Return an echo request.

    The checksum of ICMPv6 covers addresses too, so the kernel fills it in (RFC 3542 section 3.1).
    """
    message = HEADER.pack(REQUEST[version], 0, 0, identifier, sequence) + data
    if version == 6:
        return message
    return HEADER.pack(REQUEST[version], 0, checksum(message), identifier, sequence) + data


def parse_reply(version: Version, message: bytes) -> EchoReply | None:
    """Return the echo reply in a message, or None for any other message."""
    if len(message) < HEADER.size:
        return None
    kind, code, _, identifier, sequence = HEADER.unpack_from(message)
    if (kind, code) != (REPLY[version], 0):
        return None
    return EchoReply(identifier, sequence, message[HEADER.size :])


def ipv4_payload(packet: bytes) -> bytes:
    """Return the payload of an IPv4 packet (RFC 791), or nothing if its header is incomplete."""
    if len(packet) < IPV4_HEADER_BYTES or packet[0] >> 4 != 4:
        return b""
    return packet[max(IPV4_HEADER_BYTES, 4 * (packet[0] & 0x0F)) :]


def checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = octets + bytes(len(octets) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def only_address(allowed_ips: Iterable[IPNetwork]) -> IPAddress | None:
    """Return the only /32 of these prefixes, else the only /128; None if there is none, or several."""
    addresses = [prefix.network_address for prefix in allowed_ips if prefix.prefixlen == prefix.max_prefixlen]
    for version in (4, 6):
        match [address for address in addresses if address.version == version]:
            case [address]:
                return address
    return None


@dataclass(frozen=True, slots=True)
class Figures:
    """Latency and loss of the last echoes."""

    latency_seconds: float | None
    """Round trip of the last answered echo; None if all were lost."""
    loss_rate: float
    """0 to 1."""
    answered_at: float
    """When the last reply came, on the clock of the requests."""


@dataclass(slots=True)
class _Echo:
    sent_at: float
    round_trip: float | None = None


class Echoes:
    """The echoes to one address. `now` is monotonic seconds."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self._next = 0
        self._sent: dict[int, _Echo] = {}
        self._answered_at: float | None = None

    def request(self, now: float) -> int:
        """Count one more request as sent, and return its sequence."""
        sequence, self._next = self._next, (self._next + 1) % SEQUENCES
        self._sent[sequence] = _Echo(now)
        for old in self._decided(now)[:-WINDOW]:
            del self._sent[old]
        return sequence

    def receive(self, sequence: int, now: float) -> None:
        """Record the reply to `sequence`; a duplicate, or one that comes too late to matter, changes nothing."""
        echo = self._sent.get(sequence)
        if echo is not None and echo.round_trip is None:
            echo.round_trip = now - echo.sent_at
            self._answered_at = now

    def figures(self, now: float) -> Figures | None:
        """Return latency and loss; None before the first reply: the address may not answer echoes at all."""
        if self._answered_at is None:
            return None
        trips = [self._sent[sequence].round_trip for sequence in self._decided(now)[-WINDOW:]]
        answered = [trip for trip in trips if trip is not None]
        loss = 1 - len(answered) / len(trips) if trips else 0.0
        return Figures(answered[-1] if answered else None, loss, self._answered_at)

    def _decided(self, now: float) -> list[int]:
        """Return the sequences of the echoes that were answered or are lost, the oldest first."""
        return [
            sequence
            for sequence, echo in self._sent.items()
            if echo.round_trip is not None or now - echo.sent_at >= TIMEOUT_SECONDS
        ]
