"""Inner IPv4 packets made by hand, for a client that has no TUN."""

from __future__ import annotations

import struct
from ipaddress import ip_address

ECHO_REQUEST, ECHO_REPLY = 8, 0
HEADER_BYTES = 20


def checksum(octets: bytes) -> int:
    """RFC 1071."""
    padded = octets + bytes(len(octets) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(kind: int, source: str, destination: str, sequence: int, data: bytes = b"") -> bytes:
    """An ICMP echo message in its IPv4 packet."""
    head = struct.pack(">BBHHH", kind, 0, 0, 1, sequence)
    icmp = struct.pack(">BBHHH", kind, 0, checksum(head + data), 1, sequence) + data
    addresses = ip_address(source).packed + ip_address(destination).packed
    plain = struct.pack(">BBHHHBBH", 0x45, 0, HEADER_BYTES + len(icmp), 0, 0, 64, 1, 0) + addresses
    return plain[:10] + struct.pack(">H", checksum(plain)) + plain[12:] + icmp


def echoed(packet: bytes) -> tuple[int, int, bytes]:
    """Kind, sequence and data of an ICMP echo message; padding is cut by the IPv4 length."""
    (length,) = struct.unpack_from(">H", packet, 2)
    kind, _, _, _, sequence = struct.unpack_from(">BBHHH", packet, HEADER_BYTES)
    return kind, sequence, packet[HEADER_BYTES + 8 : length]


def answer(packet: bytes) -> bytes:
    """The reply of the host that an echo request was sent to, its identifier kept."""
    (length,) = struct.unpack_from(">H", packet, 2)
    icmp = bytes([ECHO_REPLY, 0, 0, 0]) + packet[HEADER_BYTES + 4 : length]
    icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
    plain = packet[:10] + bytes(2) + packet[16:20] + packet[12:16]
    return plain[:10] + struct.pack(">H", checksum(plain)) + plain[12:] + icmp
