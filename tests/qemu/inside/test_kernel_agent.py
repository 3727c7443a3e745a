"""An agent whose network lives in the kernel: it may be killed, and the tunnel goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.deadline import until
from tests.netns.engine import Engine
from tests.netns.host import Host
from tests.netns.interface import Interface
from tests.netns.kernel import interface
from tests.netns.pair import FAR_INNER, INNER, NEAR_INNER, OUTER, prefixes, single
from tests.netns.traffic import ping, reach
from tests.scenario.agent import Agent, Network, Peer, open_directory

REKEY_AFTER_SECONDS = 120


@pytest.fixture
def far(hosts: tuple[Host, Host], peer: Engine) -> Interface:
    """The far end, up."""
    far = interface(hosts[1], peer)
    far.up(*prefixes(INNER["far"]))
    return far


@pytest.fixture
def agent(hosts: tuple[Host, Host], far: Interface) -> Iterator[Agent]:
    """Near's agent, not started; it and far know each other."""
    with open_directory() as directory:
        agent = Agent(hosts[0], directory / "near")
        introduce(agent, far)
        yield agent


def introduce(agent: Agent, far: Interface) -> None:
    """Has each know the other; all that near sends goes through the tunnel."""
    allowed_ips = ", ".join(single(NEAR_INNER))
    far.configure(f"[Peer]\nPublicKey = {agent.key()}\nAllowedIPs = {allowed_ips}\n")
    endpoint = f"{OUTER['far'][0]}:{far.listen_port}"
    agent.configure(
        Network(address=f"{NEAR_INNER[0]}/24", peers=(Peer("far", far.keys.text, ("0.0.0.0/0",), endpoint),))
    )


def link_index(host: Host) -> str:
    """Return the index of wg0, which a link that is created again does not have."""
    return host.ip("-o", "link", "show", "wg0").partition(":")[0]


def test_killed_and_started_again_it_takes_over_what_it_left(agent: Agent) -> None:
    """Row H-55: the session outlives the agent, and the host is as before when it is stopped."""
    near, before = agent.host, agent.traces()
    agent.start()
    agent.until_state("active")
    assert "wireguard" in near.ip("-d", "link", "show", "wg0")
    reach(near, FAR_INNER[0])
    handshake, as_up, index = agent.peers()["far"]["latest_handshake"], agent.traces(), link_index(near)

    near.kill(agent.pid())
    assert agent.process is not None
    until(lambda: agent.process is None or agent.process.poll() is not None, "the agent is gone")
    assert ping(near, FAR_INNER[0], "-W", "10").returncode == 0
    assert agent.traces() == as_up

    agent.start()
    agent.until_state("active")
    assert link_index(near) == index
    latest = agent.peers()["far"]["latest_handshake"]
    assert latest == handshake or latest >= handshake + REKEY_AFTER_SECONDS  # a slow guest may reach the rekey
    assert agent.traces() == as_up
    assert agent.attempt("agent", "stop").returncode == 0
    until(lambda: agent.traces() == before, "the host is as it was")


def killed(agent: Agent) -> None:
    """Up, and then killed: its link is there."""
    agent.start()
    agent.until_state("active")
    agent.host.kill(agent.pid())
    process = agent.process
    until(lambda: process is None or process.poll() is not None, "the agent is gone")
    assert "wg0" in agent.host.links()


def test_a_link_whose_network_left_the_file_goes_at_the_next_start(agent: Agent) -> None:
    """Those of others, of an agent with another home too, stay."""
    before = agent.traces()
    killed(agent)
    for name, alias in (("wg7", "warren 1 1 1-1"), ("wg8", "warren 1 1"), ("wg9", "of the administrator")):
        agent.host.ip("link", "add", name, "group", "119", "type", "wireguard")
        agent.host.ip("link", "set", name, "alias", alias)
    agent.configure()
    agent.start()
    assert [each["interface"] for each in agent.said("link.removed")] == ["wg0"]
    assert {"wg7", "wg8", "wg9"} == set(agent.host.links()) - {"lo", "eth0"}
    for name in ("wg7", "wg8", "wg9"):
        agent.host.ip("link", "delete", name)
    until(lambda: agent.traces() == before, "the host is as it was")


def test_recover_removes_the_link_of_an_agent_that_was_killed(agent: Agent) -> None:
    before = agent.traces()
    killed(agent)
    assert agent.attempt("recover").returncode == 0
    until(lambda: agent.traces() == before, "the host is as it was")
