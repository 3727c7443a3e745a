"""Inner packets made octet by octet, right or wrong as a test wants them (RFC 791, 8200, 9293, 768)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import ip_address

from .inner import checksum

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
DF, MORE = 0x4000, 0x2000
CHECKSUM_AT = {TCP: 16, UDP: 6}


@dataclass(frozen=True, slots=True)
class TcpHeader:
    """What a TCP header says but for its checksum; `options` are whole words."""

    sequence: int = 1
    flags: int = ACK
    acknowledgement: int = 1
    window: int = 512
    urgent: int = 0
    options: bytes = b""
    source_port: int = 1000
    reserved: int = 0

    def octets(self) -> bytes:
        """With zero for the checksum."""
        head = struct.pack(
            ">HHIIBBHHH",
            self.source_port,
            2000,
            self.sequence & 0xFFFFFFFF,
            self.acknowledgement,
            (5 + len(self.options) // 4) << 4 | self.reserved,
            self.flags,
            self.window,
            0,
            self.urgent,
        )
        return head + self.options


@dataclass(frozen=True, slots=True)
class Ip:
    """What the IP header says; a field that one version lacks is passed over there. `frame` says the addresses."""

    source: str
    destination: str
    traffic_class: int = 0
    hops: int = 64
    identification: int = 0
    fragment: int = DF
    label: int = 7
    options: bytes = b""
    """IPv4 options, whole words; of IPv6 the extension headers, whose last names the protocol itself."""
    extension: int = 0
    """The protocol number of the first extension header."""

    @property
    def version(self) -> int:
        return ip_address(self.source).version

    @property
    def addresses(self) -> bytes:
        """Both, as they stand in the header and in the pseudo-header."""
        return ip_address(self.source).packed + ip_address(self.destination).packed

    def changed(self, **fields: object) -> Ip:
        """The same but for these."""
        return replace(self, **fields)  # type: ignore[arg-type] # the caller names fields of this class

    def packet(self, protocol: int, body: bytes) -> bytes:
        """The header before a body that is complete."""
        if self.version == 6:
            first = struct.pack(
                ">IHBB",
                6 << 28 | self.traffic_class << 20 | self.label,
                len(self.options) + len(body),
                self.extension or protocol,
                self.hops,
            )
            return first + self.addresses + self.options + body
        words = 5 + len(self.options) // 4
        head = struct.pack(
            ">BBHHHBBH",
            0x40 | words,
            self.traffic_class,
            words * 4 + len(body),
            self.identification,
            self.fragment,
            self.hops,
            protocol,
            0,
        )
        return sealed_ipv4(head + self.addresses + self.options) + body

    def sealed(self, protocol: int, body: bytes) -> bytes:
        """TCP or UDP with its checksum, in its packet. UDP never sends zero, which would mean none."""
        at = CHECKSUM_AT[protocol]
        bare = body[:at] + bytes(2) + body[at + 2 :]
        total = checksum(self.addresses + struct.pack(">IHH", len(body), 0, protocol) + bare)
        field = 0xFFFF if protocol == UDP and total == 0 else total
        return self.packet(protocol, body[:at] + struct.pack(">H", field) + body[at + 2 :])

    def tcp(self, payload: bytes, **fields: int | bytes) -> bytes:
        """A segment in its packet; `fields` are those of `TcpHeader`."""
        return self.sealed(TCP, tcp(payload, **fields))

    def udp(self, payload: bytes, ports: tuple[int, int] = (1000, 2000)) -> bytes:
        """A datagram in its packet."""
        return self.sealed(UDP, udp(payload, ports))


def tcp(payload: bytes, **fields: int | bytes) -> bytes:
    """A segment with no checksum yet; `fields` are those of `TcpHeader`."""
    return TcpHeader(**fields).octets() + payload  # type: ignore[arg-type] # the caller names fields of that class


def udp(payload: bytes, ports: tuple[int, int] = (1000, 2000)) -> bytes:
    """A datagram with no checksum yet."""
    return struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload


def sealed_ipv4(header: bytes) -> bytes:
    """The header with its checksum."""
    bare = header[:10] + bytes(2) + header[12:]
    return bare[:10] + struct.pack(">H", checksum(bare)) + bare[12:]


def damaged(packet: bytes, at: int = -1) -> bytes:
    """One bit of an octet turned over, and no checksum the wiser."""
    octets = bytearray(packet)
    octets[at] ^= 1
    return bytes(octets)


def forwarded(packet: bytes) -> bytes:
    """The packet one hop later."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([packet[7] - 1]) + packet[8:]
    header = packet[: (packet[0] & 15) * 4]
    return sealed_ipv4(header[:8] + bytes([header[8] - 1]) + header[9:]) + packet[len(header) :]


def flow(packet: bytes) -> bytes:
    """What order is kept within: protocol, addresses and ports; one for all that has none in plain sight."""
    if packet[0] == 0x45 and packet[9] in CHECKSUM_AT and not int.from_bytes(packet[6:8], "big") & 0xBFFF:
        return packet[9:10] + packet[12:24]
    if packet[0] >> 4 == 6 and packet[6] in CHECKSUM_AT:
        return packet[6:7] + packet[8:44]
    return b""
