"""Behind an address translator that forgets soon: keepalives hold the way open, and a new way is found.

near ── eth0 10.0.0.2   10.0.0.1 ── router ── 192.0.2.1 eth1    eth0 192.0.2.2 ── far
                                    masquerade, UDP forgotten after 2 s
"""

from __future__ import annotations

import time

import pytest

from .conftest import MakeHost
from .engine import Engine
from .host import IN_NAMESPACES, Host, address, join
from .kernel import interface
from .pair import FAR_INNER, INNER, NEAR_INNER, Pair, prefixes
from .traffic import ping, reach

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]

FORGETS_SECONDS = 2
SETTINGS = (
    "1=ipv4/ip_forward",
    f"{FORGETS_SECONDS}=netfilter/nf_conntrack_udp_timeout",
    f"{FORGETS_SECONDS}=netfilter/nf_conntrack_udp_timeout_stream",
)
RULES = "table ip nat { chain out { type nat hook postrouting priority 100; oifname eth1 masquerade random; }; }"


@pytest.fixture
def router(make_host: MakeHost) -> Host:
    return make_host("router")


@pytest.fixture
def pair(make_host: MakeHost, router: Host, warren: Engine, peer: Engine) -> Pair:
    near, far = make_host("near"), make_host("far")
    join(near, router)
    address(near, "eth0", "10.0.0.2/24")
    address(router, "eth0", "10.0.0.1/24")
    near.ip("route", "add", "default", "via", "10.0.0.1")
    router.ip("link", "add", "eth1", "type", "veth", "peer", "eth0", "netns", str(far.pid))
    for host, link in ((router, "eth1"), (far, "eth0")):
        host.ip("link", "set", link, "up")
    address(router, "eth1", "192.0.2.1/24")
    address(far, "eth0", "192.0.2.2/24")
    router.run("nft", "-f", "-", stdin=RULES)
    for setting in SETTINGS:
        router.run("sh", "-c", f"echo {setting.replace('=', ' > /proc/sys/net/')}")
    ends = [interface(near, warren), interface(far, peer)]
    for end in ends:
        end.up(*prefixes(INNER[end.host.name]))
    return Pair(*ends)


def test_a_keepalive_holds_the_way_open(pair: Pair) -> None:
    """Without it the far end cannot come back; with it, it can at any time."""
    pair.introduce(initiator="near")
    pair.near.set("peer", pair.far.keys.text, "persistent-keepalive", "1")
    reach(pair.near.host, FAR_INNER[0])
    time.sleep(3 * FORGETS_SECONDS)  # an idle time can only be waited for
    assert ping(pair.far.host, NEAR_INNER[0]).returncode == 0


def test_a_translator_that_lost_its_table(pair: Pair, router: Host) -> None:
    """The next datagram comes from another port, and the far end follows."""
    pair.open()
    before = pair.far.of_peer(pair.near.keys, "endpoints")
    assert before.startswith("192.0.2.1:")
    time.sleep(2 * FORGETS_SECONDS)
    router.run("nft", "flush", "ruleset")
    router.run("nft", "-f", "-", stdin=RULES)
    reach(pair.near.host, FAR_INNER[0])
    assert pair.far.of_peer(pair.near.keys, "endpoints") != before
    reach(pair.far.host, NEAR_INNER[0])
