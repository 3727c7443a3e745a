"""A network that loses, reorders, doubles, delays and corrupts datagrams, between the engine and the kernel.

near ── eth0          near0 ── bridge ── far0          eth0 ── far
              netem ──┘                    └── netem
"""

from __future__ import annotations

import pytest

from tests.netns.conftest import MakeHost
from tests.netns.engine import Engine
from tests.netns.host import Host, address
from tests.netns.noise import TRANSPORT
from tests.netns.pair import FAR_INNER, NEAR_INNER, OUTER, Pair, pair_of, prefixes
from tests.netns.stream import Stream
from tests.netns.traffic import BULK_BYTES, tcp_copy, udp_exchange
from tests.netns.wire import Wire

LOSS, REORDER = "delay 5ms loss 5%", "delay 10ms reorder 30% 50%"
ALL = "delay 10ms 5ms loss 5% duplicate 5% corrupt 1% reorder 30% 50%"
LARGEST_DATAGRAM = 1452  # of a tunnel of MTU 1420
SOME_BYTES = BULK_BYTES // 2


@pytest.fixture
def network(make_host: MakeHost) -> Host:
    """What is between them."""
    host = make_host("network")
    host.ip("link", "add", "bridge", "type", "bridge")
    host.ip("link", "set", "bridge", "up")
    return host


@pytest.fixture
def pair(make_host: MakeHost, network: Host, warren: Engine, peer: Engine) -> Pair:
    """A datagram leaves each end alone, also one that was handed over in a train (UDP_SEGMENT)."""
    near, far = make_host("near"), make_host("far")
    for host in (near, far):
        plug = f"{host.name}0"
        host.ip("link", "add", "eth0", "type", "veth", "peer", plug, "netns", str(network.pid))
        host.ip("link", "set", "eth0", "gso_max_segs", "1", "up")
        network.ip("link", "set", plug, "master", "bridge", "up")
        address(host, "eth0", *prefixes(OUTER[host.name]))
    return pair_of(near, warren, far, peer)


def disturb(network: Host, kind: str) -> None:
    """Both directions from now on."""
    for plug in ("near0", "far0"):
        network.run("tc", *f"qdisc replace dev {plug} root netem limit 10000 {kind}".split())


def dropped(network: Host, plug: str) -> int:
    """What netem says it has thrown away."""
    told = network.run("tc", "-s", "qdisc", "show", "dev", plug)
    return int(told.split("(dropped ")[1].split(",")[0])


@pytest.mark.parametrize("kind", [LOSS, REORDER, ALL], ids=["loss", "reorder", "all"])
@pytest.mark.parametrize("initiator", ["near", "far"])
def test_content_arrives_unchanged(pair: Pair, network: Host, kind: str, initiator: str) -> None:
    """By its hash, each way, IPv4 inside one way and IPv6 the other."""
    disturb(network, kind)
    pair.open(initiator=initiator)
    with Wire(pair.near.host) as near, Wire(pair.far.host) as far:
        tcp_copy(pair.near.host, pair.far.host, FAR_INNER[0], SOME_BYTES)
        tcp_copy(pair.far.host, pair.near.host, NEAR_INNER[1], SOME_BYTES)
    for wire in (near, far):  # what leaves is not corrupted yet
        assert max(len(datagram.payload) for datagram in wire.seen if datagram.outgoing) == LARGEST_DATAGRAM
    if kind != REORDER:
        assert dropped(network, "near0") > 0
        assert dropped(network, "far0") > 0


def test_no_datagram_is_lost_or_doubled_by_the_tunnel(pair: Pair, network: Host) -> None:
    """The network doubles and reorders, and the replay windows of both ends let each number pass once."""
    pair.open()
    disturb(network, "delay 10ms reorder 30% 50% duplicate 30%")
    near, far = pair.near.host, pair.far.host
    with Stream(near, far, FAR_INNER[0]) as out, Stream(far, near, NEAR_INNER[0]) as back, Wire(far) as wire:
        for _ in range(10):
            udp_exchange(near, far, FAR_INNER[1], 4000)
    arrived = [datagram for datagram in wire.seen if not datagram.outgoing and datagram.kind == TRANSPORT]
    counters = [datagram.payload[8:16] for datagram in arrived]
    assert len(counters) > len(set(counters))
    assert counters != sorted(counters, key=lambda octets: int.from_bytes(octets, "little"))
    for stream in (out, back):
        assert stream.sent > 0
        assert (stream.lost(), stream.doubled()) == ([], [])


@pytest.mark.parametrize("initiator", ["near", "far"])
def test_a_handshake_gets_through_heavy_loss(pair: Pair, network: Host, initiator: str) -> None:
    """It is tried again every five seconds for ninety (paper, section 6.4)."""
    disturb(network, "loss 40%")
    pair.open(initiator=initiator)
