"""The source address of outgoing datagrams: the one that the peer addressed, as long as the host has it; fwmark.

near                                                  far
eth0  192.0.2.1, 192.0.2.21, 2001:db8::1, ::21  ───  eth0  192.0.2.2, 2001:db8::2
"""

from __future__ import annotations

import pytest

from .deadline import until
from .host import IN_NAMESPACES, Host, address, join
from .interface import endpoint
from .noise import TRANSPORT
from .pair import FAR_INNER, INNER, NEAR_INNER, OUTER, Pair, single
from .traffic import BULK_BYTES, ping, reach, tcp_copy
from .wire import Wire

pytestmark = IN_NAMESPACES

SECOND = {4: ("192.0.2.21", "24"), 6: ("2001:db8::21", "64")}
ELSEWHERE = "198.51.100.2"
MARK = 0x51


@pytest.mark.parametrize("version", [4, 6])
def test_replies_come_from_the_address_that_was_asked(pair: Pair, version: int) -> None:
    second, length = SECOND[version]
    near = pair.near
    address(near.host, "eth0", f"{second}/{length}")
    pair.introduce(initiator="far", version=version)
    pair.far.set("peer", near.keys.text, "endpoint", endpoint(second, near.listen_port))
    with Wire(pair.far.host) as wire:
        reach(pair.far.host, NEAR_INNER[0])
        tcp_copy(near.host, pair.far.host, FAR_INNER[0], BULK_BYTES)
        assert {datagram.source for datagram in wire.seen if not datagram.outgoing} == {second}

    near.host.ip("address", "del", f"{second}/{length}", "dev", "eth0")
    reach(near.host, FAR_INNER[0])
    assert pair.far.of_peer(near.keys, "endpoints") == endpoint(OUTER["near"][version == 6], near.listen_port)


def answer_from_elsewhere(far: Host, subnet: str, link: str) -> None:
    """The far end sends from `ELSEWHERE` whatever its engine does: the newest wireguard-go answers from any address."""
    far.ip("route", "change", subnet, "dev", link, "src", ELSEWHERE)


def test_traffic_follows_a_changed_route(pair: Pair) -> None:
    """A second cable takes over, and neither link nor source address of the first are clung to in vain.

    The address may stay where answers to it arrive: Debian's wireguard-go sends them out where it was written to.
    """
    near, far = pair.near.host, pair.far.host
    join(near, far, name="eth1")
    address(near, "eth1", "203.0.113.1/24")
    address(far, "eth1", "203.0.113.2/24", f"{ELSEWHERE}/32")
    answer_from_elsewhere(far, "192.0.2.0/24", "eth0")
    answer_from_elsewhere(far, "203.0.113.0/24", "eth1")
    near.ip("route", "add", ELSEWHERE, "via", OUTER["far"][0])
    pair.introduce()
    pair.near.set("peer", pair.far.keys.text, "endpoint", endpoint(ELSEWHERE, pair.far.listen_port))
    reach(near, FAR_INNER[0])

    near.ip("route", "replace", ELSEWHERE, "via", "203.0.113.2")
    far.ip("link", "set", "eth0", "down")
    reach(near, FAR_INNER[0], seconds=60)


def test_fwmark_chooses_the_route(pair: Pair) -> None:
    """Only marked datagrams find the far end. The mark is set at run time, and a new socket gets it too."""
    near, far = pair.near, pair.far
    address(far.host, "eth0", f"{ELSEWHERE}/32")
    answer_from_elsewhere(far.host, "192.0.2.0/24", "eth0")
    near.host.ip("rule", "add", "fwmark", hex(MARK), "table", "51")
    near.host.ip("route", "add", ELSEWHERE, "via", OUTER["far"][0], "table", "51")
    near.peer(far.keys, *single(INNER["far"]), Endpoint=endpoint(ELSEWHERE, far.listen_port))
    far.peer(near.keys, *single(INNER["near"]))
    assert ping(near.host, FAR_INNER[0]).returncode != 0

    near.set("fwmark", hex(MARK))
    assert near.show("fwmark") == hex(MARK)
    with Wire(near.host) as wire:
        reach(near.host, FAR_INNER[0])
        until(lambda: wire.count(lambda datagram: datagram.kind == TRANSPORT), "a datagram of the tunnel")
        assert {datagram.destination for datagram in wire.seen if datagram.outgoing} == {ELSEWHERE}
    near.set("listen-port", "40404")
    reach(near.host, FAR_INNER[0])
    near.set("fwmark", "0")
    assert near.show("fwmark") == "off"
    assert ping(near.host, FAR_INNER[0]).returncode != 0
