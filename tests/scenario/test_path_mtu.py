"""Agents over a router that drops in silence what is too large: the routes of a peer follow its path MTU (row W-45)."""

from __future__ import annotations

import pytest

from tests.netns import engine
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.interface import Interface, endpoint
from tests.netns.kernel import interface
from tests.netns.pair import FAR_INNER, NEAR_INNER
from tests.netns.path import FAR_OUTER, routed
from tests.netns.traffic import reach, tcp_copy

from .agent import BACKEND, Agent, Network, Peer
from .conftest import MakeAgent

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.needs("nft"),
    pytest.mark.skipif(BACKEND == "kernel", reason="the kernel's WireGuard probes no path"),
]

SEARCH_SECONDS = 60
MEGABYTE = 1 << 20


def agent_and_peer(make_agent: MakeAgent, width: int, version: int, *lines: str) -> tuple[Agent, Interface]:
    """An agent that runs, and wireguard-go behind the router, with a session between them."""
    near, router, far = (make_agent(name) for name in ("near", "router", "far"))
    routed(near.host, router.host, far.host, width)
    peer = interface(far.host, engine.debian())
    peer.up(f"{FAR_INNER[0]}/24")
    at = endpoint(FAR_OUTER[version == 6], peer.listen_port)
    known = Peer("far", peer.keys.text, (f"{FAR_INNER[0]}/32",), at)
    near.configure(Network(address=f"{NEAR_INNER[0]}/24", peers=(known,), lines=lines))
    peer.configure(f"[Peer]\nPublicKey = {near.key()}\nAllowedIPs = {NEAR_INNER[0]}/32\n")
    near.start()
    near.until_state("active")
    reach(near.host, FAR_INNER[0])
    return near, peer


@pytest.mark.parametrize(
    ("version", "width", "mtu"), [(4, 1300, 1220), (6, 1300, 1200), (4, 1400, 1340), (6, 1400, 1320)]
)
def test_the_route_of_a_peer_has_its_path_mtu(make_agent: MakeAgent, version: int, width: int, mtu: int) -> None:
    near, far = agent_and_peer(make_agent, width, version)
    route = ("route", "show", f"{FAR_INNER[0]}/32")
    until(lambda: f"mtu {mtu}" in near.host.ip(*route), f"the route has the MTU {mtu}", SEARCH_SECONDS)
    found = near.peers()["far"]["path_mtu"]
    assert (found["source"], found["mtu"], found["reason"]) == ("probed", mtu, None)
    assert f"{mtu} (probed," in near.attempt("peers").stdout
    tcp_copy(near.host, far.host, FAR_INNER[0], MEGABYTE)


def test_a_wide_path_leaves_the_route_as_it_is_and_off_is_off(make_agent: MakeAgent) -> None:
    near, far = agent_and_peer(make_agent, 1500, 4)
    until(lambda: near.peers()["far"]["path_mtu"]["mtu"] == 1420, "the path MTU is found", SEARCH_SECONDS)
    assert "mtu" not in near.host.ip("route", "show", f"{FAR_INNER[0]}/32")
    tcp_copy(near.host, far.host, FAR_INNER[0], MEGABYTE)
    near.config.write_text(near.config.read_text().replace("[network.default]", "[network.default]\npmtu = false"))
    near.reload()
    until(lambda: near.peers()["far"]["path_mtu"] is None, "nothing is probed any more")
