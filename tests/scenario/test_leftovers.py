"""What an agent that was killed has left, and what others take away while one runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER

from .agent import USER, Agent
from .conftest import network_to

pytestmark = IN_NAMESPACES
Two = tuple[Agent, Agent]
SOCKET = "/run/wireguard/wg0.sock"


def kill(agent: Agent) -> None:
    agent.host.kill(agent.pid(), "KILL")
    agent.ended()


def test_a_dead_socket_is_no_interface_and_goes_at_the_next_start(joined: Two) -> None:
    near, far = joined
    kill(near)
    assert near.host.path(SOCKET).exists()
    done = near.attempt("status")
    assert (done.returncode, done.stdout) == (3, "")
    assert SOCKET in done.stderr
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(interface="wg1"))
    near.start()
    near.until_state("active")
    assert not near.host.path(SOCKET).exists()
    done = near.attempt("status")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_dead_socket_of_another_is_told_and_left(joined: Two) -> None:
    near, _ = joined
    leave = "import socket; socket.socket(socket.AF_UNIX).bind('/run/wireguard/other.sock')"
    near.host.run("python3", "-c", leave)
    done = near.attempt("status")
    assert done.returncode == 0
    assert "other is not up" in done.stderr
    assert near.attempt("status", "other").returncode == 3
    kill(near)
    near.start()
    assert near.host.path("/run/wireguard/other.sock").exists()


def test_a_socket_that_others_removed_comes_back(joined: Two) -> None:
    near, _ = joined
    near.host.run("rm", SOCKET)
    until(lambda: near.host.attempt("wg", "show", "wg0").returncode == 0, "wg finds it again")
    until(lambda: near.network()["warnings"] == [], "and nobody has to do anything")
    assert near.attempt("status").returncode == 0


@pytest.mark.needs("curl")
def test_without_its_directory_it_is_a_named_condition(joined: Two) -> None:
    near, _ = joined
    near.host.run("mv", "/run/wireguard", "/run/elsewhere")
    until(
        lambda: "uapi.socket_missing" in near.host.run("curl", "-s", "http://localhost:9090/healthz"),
        "it is a condition",
    )
    assert any(SOCKET in each for each in near.network()["warnings"])
    assert near.host.attempt("ping", "-c1", "-W9", FAR_INNER[0]).returncode == 0
    near.host.run("mv", "/run/elsewhere", "/run/wireguard")
    until(lambda: near.network()["warnings"] == [], "it is there again")


def beginnings(shown: str) -> list[list[str]]:
    """What each line is about, without figures that go on."""
    return [line.split()[:2] for line in shown.splitlines()]


def test_status_takes_the_name_of_a_network_or_of_an_interface(joined: Two) -> None:
    near, _ = joined
    by_name, whole = near.attempt("status", "default").stdout, near.attempt("status").stdout
    assert beginnings(by_name) == beginnings(whole)
    assert near.attempt("status", "wg0").stdout.startswith("wg0  up")
    near.attempt("disconnect")
    done = near.attempt("status", "default")
    assert done.returncode == 3
    assert "default  stopped" in done.stdout
    assert near.attempt("status", "nobody").returncode == 1


def test_a_second_agent_with_its_state_directory_is_refused_and_undoes_nothing(two: Two) -> None:
    """Row H-42: it has a socket of its own, and would take the first one's name servers for those of a killed one."""
    near, far = two
    resolv_conf = near.directory / "etc/resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.53\n")
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=('dns = ["10.100.0.2"]',)))
    near.start()
    until(lambda: "10.100.0.2" in resolv_conf.read_text(), "the network's server is asked")
    other = near.directory / "etc/warren/other.toml"
    other.touch(0o600)
    other.write_text(f'[daemon]\nsocket = "/run/warren/other.sock"\nuser = "{USER}"\n[http]\nenabled = false\n')
    for words in (("agent", "start"), ("recover",)):
        done = near.attempt(*words, "--config", "/etc/warren/other.toml")
        assert done.returncode == 1
        assert f"pid {near.pid()}, which serves {near.directory}/run/warren/agent.sock" in done.stderr
        assert "[daemon] state" in done.stderr
    assert "10.100.0.2" in resolv_conf.read_text()
    kill(near)
    assert near.attempt("recover", "--config", "/etc/warren/other.toml").returncode == 0
    assert resolv_conf.read_text() == "nameserver 192.0.2.53\n"


@pytest.mark.parametrize("asked", ["address", "route"])
def test_where_ipv6_is_turned_off_the_error_says_so(two: Two, asked: str) -> None:
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    if asked == "address":
        network = network.but(address="fd09::1/64")
    else:
        network = network.but(peers=(replace(network.peers[0], allowed_ips=("fd55::/64",)),))
    for which in ("all", "default"):
        near.host.run("sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1")
    near.configure(network)
    assert "which is disabled on this host" in near.attempt("validate").stdout
    before = near.traces()
    near.start()
    near.until_state("error")
    assert "IPv6 is disabled on this host; remove the IPv6 addresses, or run: sysctl -w" in near.network()["error"]
    assert near.traces() == before


@pytest.mark.skipif(USER == "root", reason="a user namespace has no other users")
def test_a_port_of_root_s_is_an_error_with_what_to_do(two: Two) -> None:
    near, far = two
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(port=53, lines=('backend = "userspace"',)))
    near.start()
    near.until_state("error")
    assert "UDP port 53 can only be bound by root" in near.network()["error"]
    assert "ip_unprivileged_port_start" in near.network()["error"]
    near.host.run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=53")
    near.until_state("active")
