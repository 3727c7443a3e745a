"""Endpoints follow authenticated packets, and nothing else (row H-54; paper, section 2.1)."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from .deadline import until
from .host import IN_NAMESPACES, address
from .interface import Interface, endpoint
from .noise import TRANSPORT
from .pair import INNER, OUTER, Pair
from .traffic import reach
from .wire import Wire

pytestmark = IN_NAMESPACES

MOVERS = pytest.mark.parametrize("mover", ["near", "far"])
ELSEWHERE = {"near": "192.0.2.11", "far": "192.0.2.12"}


def sides(pair: Pair, mover: str) -> tuple[Interface, Interface, str]:
    """Who moves, who stays, and the inner address of the one that stays."""
    if mover == "near":
        return pair.near, pair.far, INNER["far"][0]
    return pair.far, pair.near, INNER["near"][0]


@MOVERS
def test_to_another_address(pair: Pair, mover: str) -> None:
    pair.open()
    moving, staying, inner = sides(pair, mover)
    moving.host.ip("address", "del", f"{OUTER[mover][0]}/24", "dev", "eth0")
    address(moving.host, "eth0", f"{ELSEWHERE[mover]}/24")
    reach(moving.host, inner)
    assert staying.of_peer(moving.keys, "endpoints") == endpoint(ELSEWHERE[mover], moving.listen_port)
    pair.both_ways()


@MOVERS
def test_to_another_port(pair: Pair, mover: str) -> None:
    pair.open()
    moving, staying, inner = sides(pair, mover)
    moving.set("listen-port", "40404")
    reach(moving.host, inner)
    assert staying.of_peer(moving.keys, "endpoints") == endpoint(OUTER[mover][0], 40404)
    pair.both_ways()


@MOVERS
@pytest.mark.parametrize(("before", "after"), [(4, 6), (6, 4)])
def test_between_ip_versions(pair: Pair, mover: str, before: int, after: int) -> None:
    pair.open(version=before)
    moving, staying, inner = sides(pair, mover)
    stayer = "far" if mover == "near" else "near"
    moving.set("peer", staying.keys.text, "endpoint", pair.outer(stayer, after))
    reach(moving.host, inner)
    assert staying.of_peer(moving.keys, "endpoints") == pair.outer(mover, after)
    pair.both_ways()


def test_not_after_a_replay_or_a_forgery(pair: Pair) -> None:
    """The far host sends a datagram of its own again, whole and with its tag broken, from another port."""
    pair.open()
    near_outer = (OUTER["near"][0], pair.near.listen_port)
    with Wire(pair.far.host) as wire:
        reach(pair.far.host, INNER["near"][0])
        until(lambda: wire.count(lambda datagram: datagram.outgoing and datagram.kind == TRANSPORT), "a datagram")
    genuine = next(datagram.payload for datagram in wire.seen if datagram.outgoing and datagram.kind == TRANSPORT)
    forged = genuine[:8] + (1 << 20).to_bytes(8, "little") + genuine[16:]
    with closing(pair.far.host.socket(socket.AF_INET, socket.SOCK_DGRAM)) as attacker:
        for payload in (genuine, forged, genuine[:-1], genuine[:20]):
            attacker.sendto(payload, near_outer)
    reach(pair.near.host, INNER["far"][0])
    assert pair.near.of_peer(pair.far.keys, "endpoints") == pair.outer("far")
