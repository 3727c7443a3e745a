"""A tunnel comes up in both roles, over IPv4 and IPv6, and carries both (rows H-46, H-47, W-37, W-38)."""

from __future__ import annotations

import pytest

from .deadline import until
from .host import IN_NAMESPACES
from .noise import TRANSPORT
from .pair import FAR_INNER, NEAR_INNER, Pair
from .traffic import BULK_BYTES, ping, reach, tcp_copy, udp_exchange
from .wire import KEEPALIVE_BYTES, Datagram, Wire

pytestmark = IN_NAMESPACES

VERSIONS = pytest.mark.parametrize("outer", [4, 6])
ROLES = pytest.mark.parametrize("initiator", ["near", "far"])


@VERSIONS
@ROLES
def test_traffic_of_every_kind(pair: Pair, outer: int, initiator: str) -> None:
    pair.introduce(initiator=initiator, version=outer)
    near, far = pair.near.host, pair.far.host
    first, addresses = (near, FAR_INNER) if initiator == "near" else (far, NEAR_INNER)
    for address in addresses:
        reach(first, address)
    assert int(pair.near.of_peer(pair.far.keys, "latest-handshakes")) > 0
    for far_inner, near_inner in zip(FAR_INNER, NEAR_INNER, strict=True):
        tcp_copy(near, far, far_inner, BULK_BYTES)
        tcp_copy(far, near, near_inner, BULK_BYTES)
        udp_exchange(near, far, far_inner, 4000)
        udp_exchange(far, near, near_inner, 4000)


def test_the_responder_learns_the_endpoint(pair: Pair) -> None:
    pair.introduce(initiator="far")
    assert pair.near.of_peer(pair.far.keys, "endpoints") == "(none)"
    reach(pair.far.host, NEAR_INNER[0])
    assert pair.near.of_peer(pair.far.keys, "endpoints") == pair.outer("far")


def test_no_way_to_a_peer_without_endpoint(pair: Pair) -> None:
    """The peer is not lost by that: it works once the other side has spoken."""
    pair.introduce(initiator="far")
    assert ping(pair.near.host, FAR_INNER[0]).returncode != 0
    reach(pair.far.host, NEAR_INNER[0])
    reach(pair.near.host, FAR_INNER[0])


def test_an_echo_of_the_mtu_passes_and_a_larger_one_names_the_mtu(pair: Pair) -> None:
    pair.introduce()
    reach(pair.near.host, FAR_INNER[0])
    assert ping(pair.near.host, FAR_INNER[0], "-M", "do", "-s", "1392").returncode == 0
    larger = ping(pair.near.host, FAR_INNER[0], "-M", "do", "-s", "1400")
    assert larger.returncode != 0
    assert "mtu=1420" in larger.stdout + larger.stderr


def test_datagrams_are_padded_to_16_but_never_past_the_mtu(pair: Pair) -> None:
    """Section 5.4.6; echoes of 1 octet, of one less than the MTU and of the MTU, as they are on the wire."""
    pair.open()
    with Wire(pair.near.host) as wire:
        for size_bytes in (1, 1391, 1392):
            assert ping(pair.near.host, FAR_INNER[0], "-s", str(size_bytes)).returncode == 0
        until(lambda: wire.count(is_request) == 3, "three requests")
    assert [len(datagram.payload) - KEEPALIVE_BYTES for datagram in wire.seen if is_request(datagram)] == [
        32,
        1420,
        1420,
    ]


def is_request(datagram: Datagram) -> bool:
    """A transport message with a packet in it that leaves the watched host."""
    return datagram.outgoing and datagram.kind == TRANSPORT and len(datagram.payload) > KEEPALIVE_BYTES
