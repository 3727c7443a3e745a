"""What other programs do to the link of a network: what Warren needs is restored, what is theirs is respected."""

from __future__ import annotations

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER

from .agent import Agent
from .conftest import network_to

pytestmark = IN_NAMESPACES
Two = tuple[Agent, Agent]
LINK_LOCAL = "fe80::7"


def addresses(agent: Agent) -> str:
    return agent.host.ip("-o", "address", "show", "dev", "wg0")


def says_foreign(agent: Agent) -> bool:
    return any("which another program added" in sentence for sentence in agent.network()["warnings"])


@pytest.mark.parametrize("foreign", ["10.9.0.77/32", "10.9.0.78/24", "fd09::77/64"])
def test_an_address_of_another_program_stays_and_is_a_condition(joined: Two, foreign: str) -> None:
    near, far = joined
    near.host.ip("address", "add", foreign, "dev", "wg0")
    until(lambda: says_foreign(near), "the agent says so")
    assert f"wg0 has {foreign}, which another program added; left alone" in near.network()["warnings"]
    assert "address.foreign" in {line["code"] for line in near.said("network.warning")}
    near.configure(network_to(far, "10.9.1.1", FAR_INNER[0]))
    near.reload()
    assert foreign in addresses(near)
    assert f"{NEAR_INNER[0]}/24" not in addresses(near)
    near.host.ip("address", "delete", foreign, "dev", "wg0")
    until(lambda: not says_foreign(near), "the condition is gone")


def test_a_link_local_address_leaves_with_the_configuration_and_the_kernels_own_stays(two: Two) -> None:
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    both = network.but(address="", lines=(f'address = ["{NEAR_INNER[0]}/24", "{LINK_LOCAL}/64"]',))
    near.configure(both)
    near.start()
    near.until_state("active")
    own = [word for word in addresses(near).split() if word.startswith("fe80:") and not word.startswith(LINK_LOCAL)]
    assert f"{LINK_LOCAL}/64" in addresses(near)
    near.configure(network)
    near.reload()
    assert f"{LINK_LOCAL}/64" not in addresses(near)
    assert all(word in addresses(near) for word in own)


@pytest.mark.parametrize("prefix", ["10.9.0.0/24", "fd09::/64"])
def test_the_connected_route_of_an_address_comes_back(two: Two, prefix: str) -> None:
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(address="", lines=(f'address = ["{NEAR_INNER[0]}/24", "{NEAR_INNER[1]}/64"]',)))
    near.start()
    near.until_state("active")
    before = near.traces()
    near.host.ip("route", "delete", prefix, "dev", "wg0")
    until(lambda: near.traces() == before, "the route is there again, as the kernel had added it")
