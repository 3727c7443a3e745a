"""Packets that joining and cutting could change, lose or bring out of order: what stands in the headers of a flow."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from functools import partial

from .packets import ACK, CWR, DONT_FRAGMENT, ECE, FIN, PSH, RST, SYN, TCP, UDP, URG, WHOLE, Ip, Route, Tcp

SEGMENT_BYTES, FULL_BYTES, ODD_BYTES = 1300, 1360, 77
SIX = [SEGMENT_BYTES] * 6
NOP, ROUTER_ALERT = b"\1\1\1\1", b"\x94\4\0\0"
PADDING = b"\1\4\0\0\0\0"  # an option of IPv6 extension headers
ECT, CE = 0b10, 0b11


def timestamps(value: int) -> bytes:
    """RFC 7323, with the padding that all hosts use."""
    return b"\1\1\x08\n" + struct.pack(">II", value, 1)


def counted(number: int) -> Ip:
    """As a host does that counts its datagrams."""
    return Ip(identification=100 + number)


def flagged(flag: int, number: int) -> Tcp:
    """The fourth has one more flag."""
    return Tcp(ACK | flag if number == 3 else ACK)


def stream(
    route: Route,
    sizes: list[int],
    ip: Callable[[int], Ip] = counted,
    tcp: Callable[[int], Tcp] = lambda _: Tcp(),
) -> list[bytes]:
    """Segments in sequence, whose headers depend on their number."""
    made, sequence = [], 1000
    for number, size_bytes in enumerate(sizes):
        segment = route.segment(sequence, os.urandom(size_bytes), tcp(number))
        made.append(route.packet(TCP, segment, ip(number)))
        sequence += size_bytes
    return made


def burst(route: Route, sizes: list[int], *, summed: bool = True) -> list[bytes]:
    """UDP datagrams."""
    payloads = (route.datagram(os.urandom(size_bytes), summed=summed) for size_bytes in sizes)
    return [route.packet(UDP, payload, counted(number)) for number, payload in enumerate(payloads)]


def damaged(packets: list[bytes], number: int) -> list[bytes]:
    """One of them with its last bit turned, so that its checksum is wrong."""
    return [packet[:-1] + bytes([packet[-1] ^ 1]) if each == number else packet for each, packet in enumerate(packets)]


def situations(route: Route) -> dict[str, list[bytes]]:
    """Each a flow, or part of one, of whole packets or of packets to be cut; with the offload header of each."""
    made = dict(_tcp(route)) | dict(_udp(route)) | dict(_ipv6(route) if route.is_ipv6 else _ipv4(route))
    return {name: [WHOLE + packet for packet in packets] for name, packets in made.items()} | dict(_cut(route))


def wrong(route: Route) -> dict[str, list[bytes]]:
    """Checksums that do not hold, each in the middle of a flow."""
    made = {"tcp": damaged(stream(route, SIX), 3), "udp": damaged(burst(route, [500] * 6), 3)}
    return {name: [WHOLE + packet for packet in packets] for name, packets in made.items()}


def _tcp(route: Route) -> Iterator[tuple[str, list[bytes]]]:
    whole = stream(route, SIX)
    yield "equal segments", whole
    yield "full segments", stream(route, [FULL_BYTES] * 6)
    yield "an odd tail", stream(route, [*SIX, ODD_BYTES], tcp=lambda n: Tcp(PSH | ACK if n == 6 else ACK))
    yield "a short one in the middle", stream(route, [*SIX[:3], ODD_BYTES, *SIX[:3]])
    yield "a longer one in the middle", stream(route, [ODD_BYTES, ODD_BYTES, SEGMENT_BYTES, ODD_BYTES])
    yield "a gap", whole[:2] + whole[3:]
    yield "one twice", whole[:3] + whole[2:]
    yield "one late", [*whole[:2], *whole[3:], whole[2]]
    yield "no data", stream(route, [0] * 6, tcp=lambda n: Tcp(acknowledgement=1 + n))
    for name, flag in {"pushed": PSH, "congested": ECE, "reduced": CWR, "urgent": URG, "reset": RST}.items():
        yield name, stream(route, SIX, tcp=partial(flagged, flag))
    yield "begin and end", stream(route, SIX, tcp=lambda n: Tcp([SYN, ACK, ACK, ACK, ACK, FIN | ACK][n]))
    yield "another acknowledgement", stream(route, SIX, tcp=lambda n: Tcp(acknowledgement=1 + n // 3))
    yield "another window", stream(route, SIX, tcp=lambda n: Tcp(window=512 + n // 3))
    yield "timestamps", stream(route, SIX, tcp=lambda n: Tcp(options=timestamps(7 + n // 3)))
    yield "options come", stream(route, SIX, tcp=lambda n: Tcp(options=timestamps(7) if n > 2 else b""))
    yield "congestion experienced", stream(route, SIX, lambda n: Ip(ECT if n % 4 < 2 else CE, 64, 100 + n))
    yield "another class", stream(route, SIX, lambda n: Ip(n // 3 << 5, 64, 100 + n))
    yield "another way", stream(route, SIX, lambda n: Ip(0, 64 - n // 3, 100 + n))


def _udp(route: Route) -> Iterator[tuple[str, list[bytes]]]:
    yield "a burst", burst(route, [500] * 12)
    yield "a burst with a tail", burst(route, [500] * 6 + [100])
    yield "a burst of all sizes", burst(route, [0, 1, 500, 499, 1000, 1000, 7, 0, 1372])
    yield "a burst without checksums", burst(route, [500] * 6, summed=False)
    yield "fragments", route.fragments(route.datagram(os.urandom(3000)), 1352, 77)
    yield (
        "a length that is less than there is",
        [packet + bytes(9) if number == 2 else packet for number, packet in enumerate(burst(route, [500] * 4))],
    )
    yield "another protocol", [route.packet(253, os.urandom(100), counted(number)) for number in range(4)]


def _ipv4(route: Route) -> Iterator[tuple[str, list[bytes]]]:
    yield "may be fragmented", stream(route, SIX, lambda n: Ip(identification=100 + n, fragment=0))
    yield "not counted", stream(route, SIX, lambda n: Ip(identification=100 + 7 * n, fragment=0))
    yield "never counted", stream(route, SIX, lambda _: Ip())
    yield "fragmented at last", stream(route, SIX, lambda n: Ip(0, 64, 100 + n, DONT_FRAGMENT if n < 3 else 0))
    yield "options", stream(route, SIX, lambda n: Ip(identification=100 + n, extra=NOP))
    yield "an alert", stream(route, SIX, lambda n: Ip(identification=100 + n, extra=ROUTER_ALERT))


def _ipv6(route: Route) -> Iterator[tuple[str, list[bytes]]]:
    yield "another label", stream(route, SIX, lambda n: Ip(flow_label=1 + n // 3))
    segments = [route.segment(1000 + 100 * number, bytes(100), Tcp()) for number in range(4)]
    for name, kind in {"hop by hop": 0, "for the destination": 60}.items():
        yield name, [route.packet(kind, bytes([TCP, 0]) + PADDING + segment, Ip()) for segment in segments]


def _cut(route: Route) -> Iterator[tuple[str, list[bytes]]]:
    data = os.urandom(10 * SEGMENT_BYTES)
    for name, tcp, ip in (
        ("to be cut", Tcp(PSH | ACK), Ip(identification=100)),
        ("to be cut, with options", Tcp(options=timestamps(7)), Ip(identification=100)),
        ("to be cut, congested", Tcp(ECE | ACK), Ip(tos=CE, identification=100)),
        ("to be cut, the last", Tcp(FIN | PSH | ACK), Ip(identification=100, fragment=0)),
    ):
        yield name, [route.super_packet(data, SEGMENT_BYTES, tcp, ip)]
        yield f"{name}, odd", [route.super_packet(data + bytes(ODD_BYTES), SEGMENT_BYTES, tcp, ip)]
