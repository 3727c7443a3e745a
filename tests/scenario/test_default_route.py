"""A network with a default route: its rules come and go with it, and with an agent that was killed."""

from __future__ import annotations

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, address
from tests.netns.pair import FAR_INNER, NEAR_INNER, OUTER

from .agent import LINKS_OUTLIVE, Agent, Network
from .conftest import network_to
from .in_clear import ClearPackets
from .test_reload import MakeFlood

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]
Two = tuple[Agent, Agent]

BEYOND = "198.51.100.9"
RULES = [
    "0:\tfrom all lookup local",
    "32764:\tnot from all fwmark 0xca6c/0xffffff00 lookup main suppress_prefixlength 0 proto 119",
    "32765:\tnot from all fwmark 0xca6c/0xffffff00 lookup 51820 proto 119",
    "32766:\tfrom all lookup main",
    "32767:\tfrom all lookup default",
]


def network(far: Agent, *allowed_ips: str) -> Network:
    """Near's network, with those allowed IPs."""
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    (peer,) = network.peers
    return network.but(peers=(type(peer)(peer.name, peer.public_key, allowed_ips, peer.endpoint),))


@pytest.fixture
def routed(two: Two) -> Two:
    """Near is to lead all IPv4 traffic to far, behind which there is an address; far runs."""
    near, far = two
    near.host.ip("route", "add", "default", "via", OUTER["far"][0])
    address(far.host, "lo", f"{BEYOND}/32")
    near.configure(network(far, "0.0.0.0/0"))
    far.start()
    far.until_state("active")
    return two


@pytest.fixture
def everything(routed: Two) -> Two:
    """The same with near running."""
    near, _ = routed
    near.start()
    near.until_state("active")
    reaches(near, BEYOND)
    return routed


def reaches(agent: Agent, beyond: str) -> None:
    """Waits until an echo comes back through the tunnel."""
    assert " dev wg0 " in agent.host.ip("route", "get", beyond)
    until(lambda: agent.host.attempt("ping", "-c1", "-W1", beyond).returncode == 0, f"{beyond} is reached", 60)


def rules(agent: Agent) -> list[str]:
    return [line.rstrip() for line in agent.host.ip("rule").splitlines()]


def test_a_reload_brings_it_and_takes_it_away(everything: Two) -> None:
    near, far = everything
    assert rules(near) == RULES
    handshake = near.peers()["far"]["latest_handshake"]
    near.configure(network(far, f"{FAR_INNER[0]}/32"))
    near.reload()
    assert rules(near) == [RULES[0], *RULES[3:]]
    assert " dev eth0 " in near.host.ip("route", "get", BEYOND)
    near.configure(network(far, "0.0.0.0/0", "::/0"))
    near.reload()
    assert rules(near) == RULES
    assert near.host.ip("-6", "rule").count("proto 119") == 2
    reaches(near, BEYOND)
    assert near.peers()["far"]["latest_handshake"] == handshake


OTHER_INNER = "10.9.1.1"
EDITS = {
    "link down": "ip link set wg0 down",
    "addresses flushed": "ip address flush dev wg0",
    "routes flushed": "ip route flush table main dev wg0",
    "default route deleted": "ip route delete default dev wg0 table 51820",
    "small MTU": "ip link set wg0 mtu 1000",
    "link deleted": "ip link delete wg0",
}


@pytest.mark.parametrize("addresses", [OTHER_INNER, NEAR_INNER[0].replace(".1", ".3")], ids=["other", "same network"])
def test_a_reload_with_another_address_sends_nothing_in_clear(
    everything: Two, flood: MakeFlood, addresses: str
) -> None:
    """With the only IPv4 address, the kernel takes all IPv4 routes of the link along."""
    near, far = everything
    with flood(near, BEYOND), ClearPackets(near.host, BEYOND) as clear:
        for address in (addresses, NEAR_INNER[0], addresses):
            near.configure(network(far, "0.0.0.0/0").but(address=f"{address}/24"))
            near.reload()
            shown = near.host.ip("-4", "-o", "address", "show", "wg0")
            assert f"{address}/24" in shown
            assert shown.count("inet ") == 1
    assert clear.count == 0
    assert " dev wg0 " in near.host.ip("route", "get", BEYOND)


def test_a_reload_with_another_mark_sends_nothing_in_clear(everything: Two, flood: MakeFlood) -> None:
    near, far = everything
    with flood(near, BEYOND), ClearPackets(near.host, BEYOND) as clear:
        for mark in (7, 8):
            near.configure(network(far, "0.0.0.0/0").but(lines=(f"fwmark = {mark}",)))
            near.reload()
            reaches(near, BEYOND)
    assert clear.count == 0
    assert {line.split()[5] for line in rules(near) if "proto 119" in line} == {"0x8"}


def test_a_reload_with_another_link_sends_nothing_in_clear(everything: Two, flood: MakeFlood) -> None:
    near, far = everything
    with flood(near, BEYOND), ClearPackets(near.host, BEYOND) as clear:
        near.configure(network(far, "0.0.0.0/0").but(interface="wg1"))
        near.reload()
        near.until_state("active")
        until(lambda: " dev wg1 " in near.host.ip("route", "get", BEYOND), "the new link has the traffic")
    assert clear.count == 0
    assert len([line for line in rules(near) if "proto 119" in line]) == 2
    assert near.attempt("disconnect").returncode == 0
    assert " dev eth0 " in near.host.ip("route", "get", BEYOND)


@pytest.mark.parametrize("edit", EDITS)
def test_what_others_take_away_comes_back_and_nothing_is_sent_in_clear(
    everything: Two, flood: MakeFlood, edit: str
) -> None:
    near, _ = everything
    before = near.traces()
    with flood(near, BEYOND), ClearPackets(near.host, BEYOND) as clear:
        near.host.run(*EDITS[edit].split())
        until(lambda: near.traces() == before, "all is there again")
        reaches(near, BEYOND)
    assert clear.count == 0
    assert near.network()["state"] == "active"


def valid_mark(agent: Agent) -> str:
    return agent.host.run("cat", "/proc/sys/net/ipv4/conf/all/src_valid_mark").strip()


def test_where_the_reverse_path_is_checked_strictly_it_works_and_is_taken_back(routed: Two) -> None:
    """The agent needs no right of root's for it."""
    near, _ = routed
    near.host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter")
    near.start()
    near.until_state("active")
    reaches(near, BEYOND)
    assert valid_mark(near) == "1"
    near.host.run("nft", "flush", "ruleset")
    until(lambda: "warren-wg0" in near.host.run("nft", "list", "tables"), "the table is there again")
    assert near.attempt("disconnect").returncode == 0
    assert (valid_mark(near), near.host.run("nft", "list", "ruleset")) == ("0", "")


def test_a_rule_that_others_took_away_is_put_back(everything: Two) -> None:
    near, _ = everything
    near.host.ip("rule", "delete", "table", "51820")
    until(lambda: rules(near) == RULES, "the rule is there again")
    reaches(near, BEYOND)


def test_killed_and_started_again_it_is_as_before(everything: Two) -> None:
    """Row H-55."""
    near, _ = everything
    before = near.traces()
    kill(near)
    assert rules(near) == RULES
    near.start()
    near.until_state("active")
    assert near.traces() == before
    reaches(near, BEYOND)


def test_killed_and_started_without_it_nothing_is_left(everything: Two) -> None:
    near, far = everything
    kill(near)
    near.configure(network(far, f"{FAR_INNER[0]}/32"))
    near.start()
    near.until_state("active")
    assert rules(near) == [RULES[0], *RULES[3:]]


def test_disconnect_leaves_the_host_as_it_was(routed: Two) -> None:
    """Row H-14."""
    near, _ = routed
    before = near.traces()
    near.start()
    near.until_state("active")
    reaches(near, BEYOND)
    assert near.attempt("disconnect").returncode == 0
    assert near.traces() == before


def kill(agent: Agent) -> None:
    """By SIGKILL; an engine of its own goes with it, and the link with that."""
    agent.host.kill(agent.pid(), "KILL")
    agent.ended()
    until(lambda: LINKS_OUTLIVE or "wg0" not in agent.host.links(), "the link is gone")
