"""The interface's own settings at run time, under traffic: port, private key, TUN in another namespace."""

from __future__ import annotations

import pytest

from .conftest import MakeHost
from .deadline import until
from .host import IN_NAMESPACES, address
from .interface import KeyPair
from .pair import FAR_INNER, INNER, NEAR_INNER, Pair, prefixes, single
from .traffic import BULK_BYTES, ping, reach, tcp_copy, udp_exchange
from .wire import Wire

pytestmark = IN_NAMESPACES


@pytest.mark.parametrize("port", ["40404", "0"], ids=["chosen", "any"])
def test_another_listen_port(pair: Pair, port: str) -> None:
    pair.open()
    before = pair.near.listen_port
    pair.near.set("listen-port", port)
    assert pair.near.listen_port != before
    assert pair.near.listen_port == int(port) or port == "0"
    reach(pair.near.host, FAR_INNER[0])
    assert pair.far.of_peer(pair.near.keys, "endpoints") == pair.outer("near")
    pair.both_ways()


@pytest.mark.parametrize("initiator", ["near", "far"])
def test_another_private_key(pair: Pair, initiator: str) -> None:
    """Sessions under the old key end; the new key works as soon as the other side knows it."""
    pair.open()
    fresh = KeyPair()
    pair.near.set("private-key", "/dev/stdin", stdin=fresh.private_text)
    pair.far.set("peer", pair.near.keys.text, "remove")
    pair.near.keys = fresh
    pair.far.peer(fresh, *single(INNER["near"]), Endpoint=pair.outer("near"))
    assert pair.near.show("public-key") == fresh.text
    if initiator == "near":
        reach(pair.near.host, FAR_INNER[0])
    else:
        reach(pair.far.host, NEAR_INNER[0])
    pair.both_ways()


def test_no_private_key_is_silence(pair: Pair) -> None:
    """Neither a packet nor an answer leaves; the key given back, the tunnel comes back."""
    pair.open()
    pair.near.set("private-key", "/dev/null")
    assert pair.near.show("private-key") == "(none)"
    with Wire(pair.near.host) as wire:
        assert ping(pair.near.host, FAR_INNER[0]).returncode != 0
        pair.far.host.ip("link", "set", "wg0", "down")
        pair.far.host.ip("link", "set", "wg0", "up")
        assert ping(pair.far.host, NEAR_INNER[0]).returncode != 0
        assert wire.count(lambda datagram: datagram.outgoing) == 0
    pair.near.set("private-key", "/dev/stdin", stdin=pair.near.keys.private_text)
    reach(pair.near.host, FAR_INNER[0])


def test_a_peer_with_our_own_key_is_none(pair: Pair) -> None:
    """Neither added nor kept when the interface takes that key (as the kernel does)."""
    near = pair.near
    near.peer(near.keys, "10.77.0.1/32")
    assert near.show("peers") == ""
    coming = KeyPair()
    near.peer(coming, "10.77.0.2/32")
    near.set("private-key", "/dev/stdin", stdin=coming.private_text)
    assert near.show("peers") == ""


def test_the_tun_moved_to_another_namespace(pair: Pair, make_host: MakeHost) -> None:
    """UDP stays where the engine was started; packets come and go where the link is."""
    pair.open()
    inside = make_host("inside")
    pair.near.host.ip("link", "set", "wg0", "netns", str(inside.pid))
    address(inside, "wg0", *prefixes(INNER["near"]))
    inside.ip("link", "set", "wg0", "up")
    for far_inner, near_inner in zip(FAR_INNER, NEAR_INNER, strict=True):
        reach(inside, far_inner)
        reach(pair.far.host, near_inner)
        tcp_copy(inside, pair.far.host, far_inner, BULK_BYTES)
        udp_exchange(pair.far.host, inside, near_inner, 4000)
    assert inside.run("ss", "-Huln") == ""
    assert f":{pair.near.listen_port} " in pair.near.host.run("ss", "-Huln")


def test_the_first_packet_after_a_moved_tun_is_set_up_is_not_lost(pair: Pair, make_host: MakeHost) -> None:
    """Nothing tells the engine of the link in the other namespace but the packet."""
    pair.open()
    inside = make_host("inside")
    inside.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")  # whose own packets come first
    pair.near.host.ip("link", "set", "wg0", "netns", str(inside.pid))
    address(inside, "wg0", prefixes(INNER["near"])[0])
    for _ in range(5):
        until(lambda: f":{pair.near.listen_port} " not in pair.near.host.run("ss", "-Huln"), "the port is closed")
        inside.run("sh", "-c", f"ip link set wg0 up && ping -q -c1 -W10 {FAR_INNER[0]}")
        inside.ip("link", "set", "wg0", "down")
