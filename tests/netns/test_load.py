"""Under load a responder asks for cookies, and an honest peer still gets through (paper, section 5.3).

crowd ── eth1 ── near ── eth0 ── far      and then      near ── eth0 ── far ── eth1 ── crowd
"""

from __future__ import annotations

import pytest

from .conftest import MakeHost
from .deadline import SLOWNESS, until
from .flood import Flood
from .host import IN_NAMESPACES, address, join
from .interface import Interface
from .noise import COOKIE_REPLY
from .pair import FAR_INNER, NEAR_INNER, Pair
from .traffic import reach
from .wire import Wire

pytestmark = [*IN_NAMESPACES, pytest.mark.security]


def got_a_cookie(wire: Wire) -> bool:
    """Whether one was seen."""
    return wire.count(lambda datagram: datagram.kind == COOKIE_REPLY) > 0


def renewed(honest: Interface, inner: str) -> bool:
    """Another handshake, since the last may have met a moment without load; not yet what is waited for.

    A link that goes down keeps its IPv6 addresses only if the kernel is asked for it.
    """
    honest.host.run("sysctl", "-qw", f"net.ipv6.conf.{honest.name}.keep_addr_on_down=1")
    for state in ("down", "up"):
        honest.host.ip("link", "set", honest.name, state)
    reach(honest.host, inner, seconds=90 * SLOWNESS)
    return False


@pytest.mark.parametrize("loaded", ["near", "far"])
def test_an_honest_peer_gets_through(pair: Pair, make_host: MakeHost, loaded: str) -> None:
    crowd = make_host("crowd")
    victim, honest, inner = (pair.near, pair.far, NEAR_INNER) if loaded == "near" else (pair.far, pair.near, FAR_INNER)
    join(victim.host, crowd, name="eth1")
    address(victim.host, "eth1", "203.0.113.1/24")
    address(crowd, "eth1", "203.0.113.2/24")
    pair.introduce(initiator="far" if loaded == "near" else "near")
    with (
        Flood(crowd, victim.keys.public, ("203.0.113.1", victim.listen_port)) as flood,
        Wire(honest.host) as wire,
    ):
        until(lambda: flood.cookie_replies, "cookie replies")
        reach(honest.host, inner[0], seconds=90 * SLOWNESS)
        until(lambda: got_a_cookie(wire) or renewed(honest, inner[0]), "a cookie for the honest peer")
    assert flood.cookie_replies <= flood.sent
    assert flood.other_replies == 0
    pair.both_ways()
