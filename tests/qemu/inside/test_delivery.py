"""Packet by packet and bit by bit, the engine sends and delivers what the kernel sends and delivers in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.netns.conftest import MakeHost
from tests.netns.engine import Engine
from tests.netns.inner import checksum
from tests.netns.pair import cabled, pair_of

from .packets import DONT_FRAGMENT, OFFLOAD, Route
from .passage import ROUTES, Passage
from .situations import SIX, situations, wrong

MakePassage = Callable[[Engine, Engine], Passage]
ATTEMPTS = 10


@pytest.fixture
def passage(make_host: MakeHost) -> Iterator[MakePassage]:
    """Makes a passage from an engine to another."""
    with ExitStack() as open_passages:

        def make(sends: Engine, receives: Engine) -> Passage:
            near, far = make_host("near"), make_host("far")
            cabled(near, far)
            pair = pair_of(near, sends, far, receives)
            pair.open()
            return open_passages.enter_context(Passage(pair, make_host("sink")))

        yield make


def count(packet: bytes) -> int:
    """How many packets are to come out where this one went in."""
    _, _, header_bytes, segment_bytes, _, _ = OFFLOAD.unpack_from(packet)
    data_bytes = len(packet) - OFFLOAD.size - header_bytes
    return -(-data_bytes // segment_bytes) if segment_bytes else 1


def meaning(packet: bytes) -> bytes:
    """All of it, but for the identification of an IPv4 datagram that is not and will not be fragmented: nobody may read
    it (RFC 6864, section 4.1).
    """
    if packet[0] >> 4 == 6 or int.from_bytes(packet[6:8], "big") != DONT_FRAGMENT:
        return packet
    header_bytes = (packet[0] & 15) * 4
    assert checksum(packet[:header_bytes]) == 0
    return packet[:4] + bytes(2) + packet[6:10] + bytes(2) + packet[12:]


@pytest.mark.parametrize("role", ["sends", "receives"])
def test_as_between_two_kernels(passage: MakePassage, warren: Engine, peer: Engine, role: str) -> None:
    ours = passage(warren, peer) if role == "sends" else passage(peer, warren)
    kernels = passage(peer, peer)
    different = {}
    for route in ROUTES:
        for name, packets in situations(route).items():
            wanted = sum(map(count, packets))
            came = [[meaning(packet) for packet in each.carry(packets, wanted)] for each in (ours, kernels)]
            if came[0] != came[1]:
                different[route, name] = [[packet[:80].hex(" ") for packet in packets] for packets in came]
    assert different == {}


def test_damage_stays_visible(passage: MakePassage, warren: Engine, peer: Engine) -> None:
    """The kernel takes what it has decrypted for whole and may join it, with a new checksum; the engine must not."""
    through = passage(peer, warren)
    for route in ROUTES:
        header_bytes = 40 if route.is_ipv6 else 20
        for packets in wrong(route).values():
            came = [packet[header_bytes:] for packet in through.carry(packets, len(packets))]
            assert came == [packet[OFFLOAD.size + header_bytes :] for packet in packets]


def test_segments_are_joined_on_their_way(passage: MakePassage, warren: Engine, peer: Engine) -> None:
    """Without it the other tests would say little: one write to the TUN carries many of them.

    A slow guest can hand the engine one datagram at a time, so the segments are sent until some come together.
    """
    through = passage(peer, warren)
    for route in ROUTES:
        assert any(_comes_joined(through, route) for _ in range(ATTEMPTS))


def _comes_joined(through: Passage, route: Route) -> bool:
    before = through.pair.far.packets_in()
    through.carry(situations(route)["equal segments"], len(SIX))
    return through.pair.far.packets_in() - before < len(SIX)
