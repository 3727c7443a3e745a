"""Sequences of inner packets, each of which tempts whoever joins them to change, lose or overtake one."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Iterator

from .crafted import (
    ACK,
    CWR,
    DF,
    ECE,
    FIN,
    ICMP,
    ICMPV6,
    MORE,
    PSH,
    RST,
    SYN,
    TCP,
    UDP,
    URG,
    Ip,
    damaged,
    tcp,
    udp,
)
from .inner import checksum

Mix = Callable[[Ip], list[bytes]]
FULL_BYTES = 1360
TIMESTAMPS = struct.Struct(">BBBBII")
SACK = struct.Struct(">BBBBII")
_octets = random.Random(3)  # noqa: S311 - payloads need only differ


def payload(count: int) -> bytes:
    """Octets unlike any others."""
    return _octets.randbytes(count)


def stream(ip: Ip, lengths: list[int], *, start: int = 1, first: int = 100, **fields: int | bytes) -> list[bytes]:
    """Segments in sequence, IPv4's identification counting up."""
    packets, sequence = [], start
    for number, count in enumerate(lengths):
        of_packet = ip.changed(identification=(first + number) & 0xFFFF)
        packets.append(of_packet.tcp(payload(count), sequence=sequence, **fields))
        sequence += count
    return packets


def varied(ip: Ip, vary: Iterator[dict[str, int | bytes]], count: int = 12, length: int = FULL_BYTES) -> list[bytes]:
    """Segments in sequence, each with its own fields; those of the IP header begin with `ip_`."""
    packets = []
    for number, fields in zip(range(count), vary, strict=False):
        of_ip = {name[3:]: value for name, value in fields.items() if name.startswith("ip_")}
        of_tcp = {name: value for name, value in fields.items() if not name.startswith("ip_")}
        header = ip.changed(**{"identification": 100 + number} | of_ip)
        packets.append(header.tcp(payload(length), **{"sequence": 1 + number * length} | of_tcp))
    return packets


def turns(name: str, *values: int | bytes) -> Iterator[dict[str, int | bytes]]:
    """One field with these values in turn, for ever."""
    return ({name: value} for value in itertools.cycle(values))


def bulk(ip: Ip) -> list[bytes]:
    return stream(ip, [FULL_BYTES] * 94)


def tails(ip: Ip) -> list[bytes]:
    return stream(ip, [*[FULL_BYTES] * 10, 777, *[FULL_BYTES] * 5, 1, 2, 3, 500, 499, 499, 500, 1, *[11] * 70])


def pushed(ip: Ip) -> list[bytes]:
    return varied(ip, turns("flags", ACK, ACK, ACK, ACK | PSH), count=22)


def ends(ip: Ip) -> list[bytes]:
    """Data up to a FIN with data, then a bare one; SYN and RST between data."""
    data = stream(ip, [FULL_BYTES] * 8)
    after = 1 + 8 * FULL_BYTES
    return [
        ip.tcp(b"", sequence=0, flags=SYN, acknowledgement=0),
        *data[:4],
        ip.tcp(b"", sequence=7, flags=RST | ACK),
        *data[4:],
        ip.tcp(payload(FULL_BYTES), sequence=after, flags=FIN | PSH | ACK),
        ip.tcp(b"", sequence=after + FULL_BYTES + 1, flags=FIN | ACK),
    ]


def congestion(ip: Ip) -> list[bytes]:
    """Not-ECT, ECT(0), ECT(1) and CE in runs and one by one (RFC 3168)."""
    codes = [2, 2, 2, 3, 2, 2, 3, 3, 3, 2, 2, 0, 0, 1, 1, 2]
    return varied(ip, turns("ip_traffic_class", *codes), count=32)


def congestion_of_udp(ip: Ip) -> list[bytes]:
    return [ip.changed(traffic_class=code, identification=code).udp(payload(600)) for code in [2, 2, 3, 2, 0, 0, 1] * 4]


def echoes_of_congestion(ip: Ip) -> list[bytes]:
    """ECE and CWR of TCP, and the bit before them (RFC 9768)."""
    flags = [ACK, ACK, ACK | ECE, ACK | ECE, ACK, ACK | CWR, ACK | CWR, ACK, ACK | CWR | ECE | PSH, ACK]
    return varied(ip, turns("flags", *flags), count=30) + varied(ip, turns("reserved", 0, 0, 1, 1, 0, 8))


def hops(ip: Ip) -> list[bytes]:
    return varied(ip, turns("ip_hops", 64, 64, 63, 63, 64, 255))


def classes(ip: Ip) -> list[bytes]:
    return varied(ip, turns("ip_traffic_class", 0, 0, 0xB8, 0xB8, 0x28))


def labels(ip: Ip) -> list[bytes]:
    return varied(ip, turns("ip_label", 7, 7, 8, 0x10007, 0xFFFFF))


def headers_between(ip: Ip) -> list[bytes]:
    """IPv4 options; hop-by-hop options, destination options and a routing header that is used up."""
    if ip.version == 4:
        return varied(ip, turns("ip_options", b"", b"\1\1\1\0", b"\1\1\1\1", b"\x88\4\0\7", b"\1" * 40, b""))
    padding, packets = b"\1\4\0\0\0\0", []
    for number, (first, body) in enumerate([(0, padding), (60, padding), (43, bytes([4, 0, 0, 0, 0, 0]))] * 4):
        header = bytes([TCP, 0]) + body
        between = ip.changed(extension=first, options=header)
        packets += stream(ip, [FULL_BYTES], start=1 + number * 2 * FULL_BYTES)
        packets.append(between.tcp(payload(FULL_BYTES), sequence=1 + (number * 2 + 1) * FULL_BYTES))
    return packets


def timestamps(ip: Ip) -> list[bytes]:
    values = [TIMESTAMPS.pack(1, 1, 8, 10, stamp, 9) for stamp in (1, 1, 1, 2, 2, 3, 4, 4)]
    return varied(ip, turns("options", *values), count=24)


def selective_acknowledgements(ip: Ip) -> list[bytes]:
    values = [SACK.pack(1, 1, 5, 10, edge, edge + 9) for edge in (50, 50, 60, 60)]
    return varied(ip, turns("options", b"", *values, b"\1" * 40, b"\2\4\5\xb4"), count=24, length=1300)


def acknowledgements(ip: Ip) -> list[bytes]:
    """With data and alone between data: none may be overtaken."""
    alone = [ip.tcp(b"", sequence=1 + FULL_BYTES * 4, acknowledgement=number) for number in range(5)]
    return varied(ip, turns("acknowledgement", 1, 1, 2, 2, 2, 3)) + stream(ip, [FULL_BYTES] * 4) + alone


def windows(ip: Ip) -> list[bytes]:
    return varied(ip, turns("window", 512, 512, 511, 0, 0, 512))


def urgency(ip: Ip) -> list[bytes]:
    return varied(ip, turns("flags", ACK, ACK | URG), count=8) + varied(ip, turns("urgent", 0, 0, 5, 5, 6), count=20)


def out_of_order(ip: Ip) -> list[bytes]:
    """Swapped, doubled, overlapping, with a gap, and past the end of the sequence space."""
    one = stream(ip, [FULL_BYTES] * 12)
    over = stream(ip, [FULL_BYTES] * 12, start=(1 << 32) - 5 * FULL_BYTES)
    overlapping = stream(ip, [FULL_BYTES] * 3, start=1 + 11 * FULL_BYTES - 100)
    return [*one[:3], one[4], one[3], one[5], one[5], one[6], *one[9:], *overlapping, *over]


def identifications(ip: Ip) -> list[bytes]:
    """With DF and without: counting, past 65,535, standing still, backwards, anyhow, and zero."""
    packets = []
    for fragment in (DF, 0):
        for numbers in (
            range(65_530, 65_542),
            [77] * 8,
            range(90, 80, -1),
            [5, 900, 3, 4, 5, 7],
            [0] * 8,
            [0, 1, 0, 2],
        ):
            header = ip.changed(fragment=fragment)
            packets += varied(header, ({"ip_identification": number & 0xFFFF} for number in numbers), count=12)
    return packets


def may_fragment(ip: Ip) -> list[bytes]:
    """DF on and off, and the bit that must be zero."""
    return varied(ip, turns("ip_fragment", DF, DF, 0, 0, DF | 0x8000, 0x8000), count=24)


def fragments(ip: Ip) -> list[bytes]:
    """First, middle and last ones of two datagrams, woven into a stream, and of TCP."""
    packets, data = [], stream(ip, [FULL_BYTES] * 12)
    for protocol, body in ((UDP, udp(payload(3000))), (TCP, tcp(payload(3000))), (UDP, udp(payload(2720)))):
        parts = [body[:1360], body[1360:2720], body[2720:]]
        for number, part in enumerate(parts):
            more, offset = number < 2, number * 170
            if ip.version == 4:
                header = ip.changed(identification=protocol, fragment=(MORE if more else 0) | offset)
            else:
                place = struct.pack(">BBHI", protocol, 0, offset << 3 | more, 7)
                header = ip.changed(extension=44, options=place)
            packets += [header.packet(protocol, part), data.pop(0)]
    return packets


def datagrams(ip: Ip) -> list[bytes]:
    """Equal ones, more than one write can hold; a shorter last, a longer next, an empty one, single octets."""
    lengths = [*[1200] * 70, 300, *[1200] * 3, 1201, 1201, 0, 0, 9, *[1] * 66, 500, 400, 300, 300, 400, 500]
    return [ip.changed(identification=number).udp(payload(length)) for number, length in enumerate(lengths)]


def atomic_datagrams(ip: Ip) -> list[bytes]:
    """As Linux sends them from a socket that is not connected: DF, and no identification."""
    return [ip.udp(payload(1000)) for _ in range(40)]


def without_checksum(ip: Ip) -> list[bytes]:
    """UDP whose field is zero, among others."""
    good = [ip.changed(identification=number).udp(payload(800)) for number in range(20)]
    bare = [ip.changed(identification=number).packet(UDP, udp(payload(800))) for number in range(20)]
    return [*good[:5], *bare[:5], *itertools.chain(*zip(good[5:], bare[5:], strict=True))]


def wrong_checksums(ip: Ip) -> list[bytes]:
    """Damage in payload, header and the field itself."""
    segments = stream(ip, [FULL_BYTES] * 20)
    letters = [ip.changed(identification=number).udp(payload(700)) for number in range(20)]
    transport = 20 if ip.version == 4 else 40
    for number, at in ((4, -1), (5, transport + 17), (9, transport + 15), (13, -700)):
        segments[number] = damaged(segments[number], at)
        letters[number] = damaged(letters[number], -1 if at < 0 else transport + 7)
    return segments + letters


def wrong_lengths(ip: Ip) -> list[bytes]:
    """TCP headers that end too soon or behind the packet, UDP lengths too short and too long, and hardly any header."""
    short = [ip.packet(TCP, tcp(payload(100))[:count]) for count in (0, 4, 13, 19)]
    offsets = [ip.packet(TCP, body[:12] + bytes([words << 4]) + body[13:]) for words, body in _with_words()]
    letter = udp(payload(100))
    lengths = [
        ip.sealed(UDP, letter[:4] + struct.pack(">H", count) + letter[6:]) for count in (0, 7, 8, 107, 109, 9000)
    ]
    cut = [ip.packet(UDP, letter[:count]) for count in (0, 3, 7)]
    woven = itertools.zip_longest(short + offsets + lengths + cut, stream(ip, [900] * 20), fillvalue=b"")
    return [packet for pair in woven for packet in pair if packet]


def _with_words() -> Iterator[tuple[int, bytes]]:
    return ((words, tcp(payload(16))) for words in (0, 4, 10, 15))


def of_icmp(ip: Ip) -> list[bytes]:
    """Echoes and errors about packets of the very flow that they come between."""
    data, quoted = stream(ip, [FULL_BYTES] * 12), ip.tcp(b"", sequence=1)
    packets = []
    kinds = [(8, 0), (3, 4), (3, 1), (11, 0)] if ip.version == 4 else [(128, 0), (2, 0), (1, 3), (3, 0)]
    for number, kind in enumerate(kinds):
        body = struct.pack(">BBHI", *kind, 0, 1280) + (quoted if number else payload(56))
        before = b"" if ip.version == 4 else ip.addresses + struct.pack(">IHH", len(body), 0, ICMPV6)
        body = body[:2] + struct.pack(">H", checksum(before + body)) + body[4:]
        packets += [*data[number * 3 :][:3], ip.packet(ICMP if ip.version == 4 else ICMPV6, body)]
    return packets


def other_protocols(ip: Ip) -> list[bytes]:
    """IP in IP, GRE, ESP, AH, SCTP, UDP-Lite, and one that nobody has: among data."""
    protocols = (4, 41, 47, 50, 132, 136, 253)
    others = [ip.packet(protocol, payload(200)) for protocol in protocols for _ in range(2)]
    return [packet for pair in zip(stream(ip, [500] * 14), others, strict=True) for packet in pair]


def interleaved(ip: Ip) -> list[bytes]:
    """More flows than are joined at the same time, TCP and UDP with the same ports among them."""
    flows = [stream(ip, [700] * 8, source_port=port) for port in range(1000, 1020)]
    flows += [
        [ip.changed(identification=number).udp(payload(700), (port, 2000)) for number in range(8)]
        for port in (1000, 1001)
    ]
    return [packet for turn in zip(*flows, strict=True) for packet in turn]


def everything(ip: Ip) -> list[bytes]:
    """All of the above at once, each in its order."""
    waiting = [
        list(mix(ip.changed(label=number))) for number, mix in enumerate(MIXES.values()) if mix is not everything
    ]
    choice, packets = random.Random(7), []  # noqa: S311 - the same in every run
    while waiting:
        of_one = choice.choice(waiting)
        packets += [of_one.pop(0) for _ in range(min(len(of_one), choice.choice([1, 2, 5])))]
        waiting = [rest for rest in waiting if rest]
    return packets


MIXES: dict[str, Mix] = {
    mix.__name__: mix
    for mix in (
        bulk, tails, pushed, ends, congestion, congestion_of_udp, echoes_of_congestion, hops, classes, labels,
        headers_between, timestamps, selective_acknowledgements, acknowledgements, windows, urgency, out_of_order,
        identifications, may_fragment, fragments, datagrams, atomic_datagrams, without_checksum, wrong_checksums,
        wrong_lengths, of_icmp, other_protocols, interleaved, everything,
    )
}  # fmt: skip
