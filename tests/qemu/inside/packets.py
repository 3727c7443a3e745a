"""IP packets made by hand, right to the last bit; those with an offload left open, as a host hands them to a link."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from tests.netns.inner import checksum

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
DONT_FRAGMENT, MORE_FRAGMENTS = 0x4000, 0x2000
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
FRAGMENT_HEADER = 44
# struct virtio_net_hdr: checksum to be completed; what kind of segments; octets of headers, of a segment's payload;
# where the checksum starts and stands from there.
OFFLOAD = struct.Struct("=BBHHHH")
NEEDS_CHECKSUM, GSO_TCP4, GSO_TCP6 = 1, 1, 4
WHOLE = bytes(OFFLOAD.size)


@dataclass(frozen=True, slots=True)
class Ip:
    """Fields of the IP header; `extra` is IPv4's options, and `flow_label` is IPv6's alone."""

    tos: int = 0
    hops: int = 64
    identification: int = 0
    fragment: int = DONT_FRAGMENT
    extra: bytes = b""
    flow_label: int = 0


@dataclass(frozen=True, slots=True)
class Tcp:
    """Fields of the TCP header."""

    flags: int = ACK
    acknowledgement: int = 1
    window: int = 512
    options: bytes = b""
    urgent: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """Two addresses of one version, from whom to whom."""

    source: str
    destination: str

    @property
    def addresses(self) -> bytes:
        return ip_address(self.source).packed + ip_address(self.destination).packed

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.source

    def packet(self, protocol: int, payload: bytes, ip: Ip) -> bytes:
        """Whatever is inside, in its IP header."""
        if self.is_ipv6:
            first = 6 << 28 | ip.tos << 20 | ip.flow_label
            return struct.pack(">IHBB", first, len(payload), protocol, ip.hops) + self.addresses + payload
        words = 5 + len(ip.extra) // 4
        fields = (4 << 4 | words, ip.tos, words * 4 + len(payload), ip.identification, ip.fragment, ip.hops, protocol)
        plain = struct.pack(">BBHHHBBxx", *fields) + self.addresses + ip.extra
        return plain[:10] + struct.pack(">H", checksum(plain)) + plain[12:] + payload

    def pseudo_header(self, protocol: int, size_bytes: int) -> bytes:
        """RFC 9293, section 3.1; RFC 8200, section 8.1. Both forms have the same sum."""
        return self.addresses + struct.pack(">II", size_bytes, protocol)

    def segment(self, sequence: int, data: bytes, tcp: Tcp, *, port: int = 80, complete: bool = True) -> bytes:
        """TCP; its checksum is left open, with the pseudo-header's sum in its place, unless `complete`."""
        lengths = (5 + len(tcp.options) // 4) << 4
        fields = (4000, port, sequence, tcp.acknowledgement, lengths, tcp.flags, tcp.window, 0, tcp.urgent)
        plain = struct.pack(">HHIIBBHHH", *fields) + tcp.options + data
        pseudo = self.pseudo_header(TCP, len(plain))
        total = checksum(pseudo + plain) if complete else ~checksum(pseudo) & 0xFFFF
        return plain[:16] + struct.pack(">H", total) + plain[18:]

    def datagram(self, data: bytes, *, port: int = 53, summed: bool = True) -> bytes:
        """UDP."""
        plain = struct.pack(">HHHxx", 4000, port, 8 + len(data)) + data
        total = (checksum(self.pseudo_header(UDP, len(plain)) + plain) or 0xFFFF) if summed else 0
        return plain[:6] + struct.pack(">H", total) + plain[8:]

    def fragments(self, payload: bytes, size_bytes: int, identification: int) -> list[bytes]:
        """A UDP datagram in fragments of `size_bytes` each, a multiple of eight, but for the last."""
        made = []
        for start in range(0, len(payload), size_bytes):
            part, more = payload[start : start + size_bytes], start + size_bytes < len(payload)
            if self.is_ipv6:
                head = struct.pack(">BxHI", UDP, start | more, identification)
                made.append(self.packet(FRAGMENT_HEADER, head + part, Ip()))
            else:
                fragment = start // 8 | (MORE_FRAGMENTS if more else 0)
                made.append(self.packet(UDP, part, Ip(identification=identification, fragment=fragment)))
        return made

    def super_packet(self, data: bytes, segment_bytes: int, tcp: Tcp, ip: Ip) -> bytes:
        """Many segments in one, to be cut by whoever sends it, and the header that asks for that before it."""
        packet = self.packet(TCP, self.segment(1, data, tcp, complete=False), ip)
        headers = len(packet) - len(data)
        start = 40 if self.is_ipv6 else 20 + len(ip.extra)
        kind = GSO_TCP6 if self.is_ipv6 else GSO_TCP4
        return OFFLOAD.pack(NEEDS_CHECKSUM, kind, headers, segment_bytes, start, 16) + packet
