"""A network's name servers, on a host whose resolver is a file (H-13)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER

from .agent import Agent
from .conftest import network_to

pytestmark = IN_NAMESPACES
Two = tuple[Agent, Agent]
BEFORE = "# of the administrator\nnameserver 192.0.2.53\noptions timeout:1\n"


def resolv_conf(agent: Agent) -> Path:
    """The host's own, below the agent's directory: nothing of this machine is touched."""
    path = agent.directory / "etc/resolv.conf"
    if not path.exists():
        path.write_text(BEFORE)
        path.chmod(0o644)
    return path


def with_servers(two: Two, *servers: str) -> None:
    near, far = two
    listed = ", ".join(f'"{server}"' for server in servers)
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=(f"dns = [{listed}]",)))


def started(two: Two) -> tuple[Agent, Path]:
    """Near's agent, whose network has given the host a name server, and the host's file."""
    near, _ = two
    file = resolv_conf(near)
    with_servers(two, "10.100.0.2")
    near.start()
    near.until_state("active")
    until(lambda: "nameserver 10.100.0.2" in file.read_text(), "the network's server is asked")
    return near, file


def test_they_come_change_and_go_with_the_network(two: Two) -> None:
    near, file = started(two)
    with_servers(two, "1.1.1.1", "8.8.8.8")
    near.reload()
    assert [line for line in file.read_text().splitlines() if line.startswith("nameserver")][:2] == [
        "nameserver 1.1.1.1",
        "nameserver 8.8.8.8",
    ]
    near.attempt("disconnect")
    assert file.read_text() == BEFORE


@pytest.mark.security
def test_after_a_kill_the_next_start_gives_them_back(two: Two) -> None:
    near, file = started(two)
    far = two[1]
    near.host.kill(near.pid(), "KILL")
    near.ended()
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]))
    near.start()
    near.until_state("active")
    assert file.read_text() == BEFORE


@pytest.mark.needs("curl")
def test_an_edit_while_it_is_up_is_a_condition_until_it_is_undone(two: Two) -> None:
    near, file = started(two)
    ours = file.read_bytes()
    file.write_text("nameserver 203.0.113.9\n")

    def is_told() -> bool:
        return "dns.changed" in near.host.run("curl", "-s", "http://localhost:9090/healthz")

    until(is_told, "it is a condition", 200)
    (warning,) = near.network()["warnings"]
    assert str(file) in warning
    assert "resolv.conf.before" in warning
    assert near.network()["state"] == "active"
    assert file.read_text() == "nameserver 203.0.113.9\n"
    file.write_bytes(ours)
    until(lambda: not is_told(), "all is well", 200)


def test_what_others_wrote_meanwhile_stays_and_is_told(two: Two) -> None:
    near, file = started(two)
    file.write_text("nameserver 203.0.113.9\n")
    near.attempt("disconnect")
    assert file.read_text() == "nameserver 203.0.113.9\n"
    assert near.said("dns.revert_failed")
