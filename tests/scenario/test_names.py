"""Endpoints with a name: they may resolve late, or to another address than before (H-12)."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.netns import nameserver
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, address
from tests.netns.pair import FAR_INNER, NEAR_INNER

from .agent import Agent, Peer
from .conftest import network_to

pytestmark = [*IN_NAMESPACES, pytest.mark.slow]
Two = tuple[Agent, Agent]
MINUTES = 180.0


class Hosts:
    """/etc/hosts of one host, for it alone."""

    def __init__(self, agent: Agent) -> None:
        self._file = agent.directory / "hosts"
        self.say()
        agent.host.run("mount", "--bind", str(self._file), "/etc/hosts")

    def say(self, *lines: str) -> None:
        """The whole of it; written in place, for the mount holds the file."""
        with self._file.open("w" if not self._file.exists() else "r+") as file:
            file.truncate()
            file.write("\n".join(("127.0.0.1 localhost", *lines, "")))


def named(near: Agent, far: Agent) -> None:
    """Has `near` know `far` by a name."""
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(peers=(replace(network.peers[0], endpoint="far.test:51820", keepalive=5),)))


def reached(near: Agent) -> bool:
    return near.host.attempt("ping", "-c1", "-W1", FAR_INNER[0]).returncode == 0


def test_a_name_that_resolves_late_leaves_its_peer_pending_with_the_reason(two: Two) -> None:
    near, far = two
    hosts = Hosts(near)
    named(near, far)
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]).but(peers=(silent_peer(near),)))
    far.start()
    near.start()
    near.until_state("active")
    until(lambda: near.peers()["far"]["pending"], "the peer is pending")
    assert "far.test:51820 does not resolve" in near.peers()["far"]["pending"]
    assert "far.test:51820 does not resolve" in near.attempt("peers").stdout
    hosts.say("192.0.2.2 far.test")
    until(lambda: reached(near), "far is reached", MINUTES)
    assert near.peers()["far"]["pending"] is None


def test_a_peer_that_moved_is_found_by_its_name(two: Two) -> None:
    near, far = two
    hosts = Hosts(near)
    hosts.say("192.0.2.2 far.test")
    named(near, far)
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]).but(peers=(silent_peer(near),)))
    far.start()
    near.start()
    until(lambda: reached(near), "far is reached", MINUTES)
    far.host.ip("address", "delete", "192.0.2.2/24", "dev", "eth0")
    address(far.host, "eth0", "192.0.2.77/24")
    hosts.say("192.0.2.77 far.test")
    until(lambda: reached(near), "far is reached where it is now", MINUTES)
    assert near.peers()["far"]["endpoint"] == "192.0.2.77:51820"


def test_peer_with_a_dead_address_is_reached_by_its_living_one(two: Two) -> None:
    """The dead one comes first: an IPv6 address on the same cable that nobody has."""
    near, far = two
    Hosts(near).say("2001:db8::dead far.test", "192.0.2.2 far.test")
    named(near, far)
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]).but(peers=(silent_peer(near),)))
    near.start()
    near.until_state("active")
    until(lambda: len(near.peers()["far"]["tried"]) == 2, "both addresses were tried", MINUTES)
    assert set(near.peers()["far"]["tried"]) == {"[2001:db8::dead]:51820", "192.0.2.2:51820"}
    assert "far: no answer from " in near.attempt("peers").stdout
    assert "no answer from " in near.attempt("doctor").stdout
    far.start()
    until(lambda: reached(near), "far is reached", MINUTES)
    until(lambda: near.peers()["far"]["endpoint"] == "192.0.2.2:51820", "by its living address")
    until(lambda: near.peers()["far"]["tried"] == [], "no address is without an answer")


@pytest.mark.parametrize(
    "allowed_ips",
    [f"{FAR_INNER[0]}/32", "0.0.0.0/0", "0.0.0.0/1, 128.0.0.0/1", f"{FAR_INNER[0]}/32, 192.0.0.0/16"],
    ids=["split", "full", "two halves", "around the server, which the cable leads to"],
)
def test_search_list_counts_in_a_full_tunnel_as_in_a_split_one(two: Two, allowed_ips: str) -> None:
    near, far = two
    near.host.ip("route", "add", "default", "via", "192.0.2.2")
    settings = near.directory / "resolv.conf"
    settings.write_text("nameserver 192.0.2.2\nsearch corp.example\n")
    near.host.run("mount", "--bind", str(settings), "/etc/resolv.conf")
    server = Path(nameserver.__file__)
    far.host.start(sys.executable, server, "192.0.2.2", "vpn.corp.example=192.0.2.2")
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    prefixes = tuple(allowed_ips.split(", "))
    peer = replace(network.peers[0], endpoint="vpn:51820", keepalive=5, allowed_ips=prefixes)
    near.configure(network.but(peers=(peer,)))
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]).but(peers=(silent_peer(near),)))
    far.start()
    near.start()
    near.until_state("active")
    until(lambda: near.peers()["far"]["latest_handshake"], "there is a session", MINUTES)
    assert near.peers()["far"]["endpoint"] == "192.0.2.2:51820"
    assert " dev wg0 " in near.host.ip("route", "get", FAR_INNER[0])
    assert reached(near)


def silent_peer(near: Agent) -> Peer:
    """`near` as one whose endpoint `far` does not know, so that only `near` can find the other."""
    return replace(network_to(near, FAR_INNER[0], NEAR_INNER[0]).peers[0], endpoint="", keepalive=0)
