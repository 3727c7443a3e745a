"""Redundant peers: the prefixes that two share are with the one that works (H-53).

near ─┬─ first    each has 10.42.0.1, and near's prefix 10.42.0.0/24 is with one of them
      └─ second
"""

from __future__ import annotations

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host, address

from .agent import LINKS_OUTLIVE, PORT, Agent, Network, Peer
from .conftest import MakeAgent

pytestmark = [*IN_NAMESPACES, pytest.mark.slow]
SHARED = "10.42.0.0/24"
INSIDE = "10.42.0.1"
MINUTES = 200.0


@pytest.fixture
def three(make_agent: MakeAgent) -> tuple[Agent, Agent, Agent]:
    """`near` and its two gateways, running."""
    near, first, second = (make_agent(name) for name in ("near", "first", "second"))
    for number, gateway in enumerate((first, second), 1):
        cable(near.host, gateway.host, number)
        peer = Peer("near", near.key(), ("10.9.0.1/32",), f"192.0.{number}.1:{PORT}", keepalive=5)
        gateway.configure(Network(address=f"{INSIDE}/24", peers=(peer,)))
    near.configure(
        Network(
            address="10.9.0.1/32",
            peers=tuple(
                Peer(
                    gateway.host.name, gateway.key(), (SHARED,), f"192.0.{number}.2:{PORT}", 5, (f'probe = "{INSIDE}"',)
                )
                for number, gateway in enumerate((first, second), 1)
            ),
        ),
        head="[metrics]\nprobe_interval_seconds = 2\n",
    )
    for agent in (first, second, near):
        agent.start()
        agent.until_state("active")
    return near, first, second


def cable(left: Host, right: Host, number: int) -> None:
    """A veth of their own between near and a gateway."""
    left.ip("link", "add", f"eth{number}", "type", "veth", "peer", "eth0", "netns", str(right.pid))
    for host, link, last in ((left, f"eth{number}", 1), (right, "eth0", 2)):
        host.ip("link", "set", link, "up")
        address(host, link, f"192.0.{number}.{last}/24")


def owner(near: Agent) -> str:
    """Who has the prefix."""
    return next(name for name, peer in near.peers().items() if peer["allowed_ips"])


def reached(near: Agent) -> bool:
    return near.host.attempt("ping", "-c1", "-W1", INSIDE).returncode == 0


def test_over_when_the_owner_is_killed_and_back_when_it_is_well(three: tuple[Agent, Agent, Agent]) -> None:
    near, first, second = three
    until(lambda: reached(near), "the first answers", MINUTES)
    assert owner(near) == "first"
    assert second.process is not None
    until(lambda: near.peers()["second"]["latest_handshake"], "the second is warm", MINUTES)
    first.host.kill(first.pid(), "KILL")
    if LINKS_OUTLIVE:
        first.host.ip("link", "delete", "wg0")
    until(lambda: owner(near) == "second", "the second has the prefix", MINUTES)
    until(lambda: reached(near), "the second answers", MINUTES)
    first.start()
    until(lambda: owner(near) == "first", "the first has it again", MINUTES)
    until(lambda: reached(near), "the first answers again", MINUTES)
