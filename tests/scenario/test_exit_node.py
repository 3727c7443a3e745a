"""An exit node with a TUN or the kernel's WireGuard: what it forwards, what it refuses, and what it leaves."""

from __future__ import annotations

import socket

import pytest

from tests.netns.deadline import SOON_SECONDS, until
from tests.netns.host import IN_NAMESPACES, Host

from .conftest import MakeAgent
from .exit_hosts import (
    ATTACHED,
    ELSEWHERE,
    INSIDE,
    INSIDE_V6,
    LAN,
    PUBLIC,
    ExitHosts,
    asked,
    cable_hosts,
    each_protocol,
)

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft", "sysctl")]


@pytest.fixture
def hosts(make_agent: MakeAgent) -> ExitHosts:
    """The three hosts, not started."""
    return cable_hosts(make_agent("client"), make_agent("exit"), make_agent("far").host)


def test_exit_node_forwards_tcp_udp_and_echo_to_other_networks(hosts: ExitHosts) -> None:
    """W-51: far has no route to the client, so answers come only to an address of the exit."""
    hosts.start()
    destinations = each_protocol(PUBLIC)
    assert hosts.ask(*destinations) == ["ok"] * len(destinations)
    assert hosts.warnings() == ""


def test_exit_node_refuses_every_class_of_address(hosts: ExitHosts) -> None:
    """W-53: far has each of these addresses, and the exit itself reaches them."""
    everywhere = [address for address in (*ELSEWHERE, *LAN, *ATTACHED) if not address.startswith("fec0")]
    assert asked(hosts.exit.host, *(f"tcp:{each}:8080" for each in everywhere)) == ["ok"] * len(everywhere)
    hosts.start()
    destinations = each_protocol(everywhere)
    refused = dict(zip(destinations, hosts.ask(*destinations), strict=True))
    assert [destination for destination, answer in refused.items() if answer == "ok"] == []
    # The kernel limits the answers to one host, so some of these many clients hear nothing.
    assert {*refused.values()} <= {"EHOSTUNREACH", "EACCES", "silent"}


def test_exit_node_answers_echo_on_its_own_addresses_and_nothing_else(hosts: ExitHosts) -> None:
    """W-53: the host listens on each of its addresses."""
    own = ("198.51.100.1", "2001:db8:5::1", "192.168.7.1", "fd77::1", INSIDE, INSIDE_V6)
    hosts.start('allow = ["0.0.0.0/0", "::/0"]', "allow_lan = true")
    destinations = each_protocol(own)
    answers = dict(zip(destinations, hosts.ask(*destinations), strict=True))
    assert sorted(place for place, answer in answers.items() if answer == "ok") == sorted(
        f"icmp:{each}" for each in own
    )


def test_allow_lan_opens_attached_subnets_and_no_other_private_network(hosts: ExitHosts) -> None:
    hosts.start("allow_lan = true")
    destinations = each_protocol((*LAN, *ATTACHED))
    assert hosts.ask(*destinations) == ["ok"] * len(destinations)
    assert hosts.ask("tcp:10.66.0.9:8080", "tcp:169.254.169.254:8080", "tcp:fd66::9:8080") == [
        "EHOSTUNREACH",
        "EHOSTUNREACH",
        "EACCES",
    ]


def test_entries_of_deny_and_allow_open_and_close_ports(hosts: ExitHosts) -> None:
    """W-11: deny wins, and mail needs an entry that names its port."""
    four, six = PUBLIC
    hosts.start()
    assert hosts.ask(f"tcp:{four}:25", f"tcp:{six}:25", f"udp:{four}:25") == ["EHOSTUNREACH", "EACCES", "ok"]
    hosts.reload(f'allow = ["{four}:25", "[{six}]:8000-8080", "10.66.0.0/16:8080"]', f'deny = ["[{six}]:8080"]')
    asked_for = (f"tcp:{four}:25", f"tcp:{four}:8080", f"icmp:{four}", f"tcp:{six}:8080", "tcp:10.66.0.9:8080")
    assert hosts.ask(*asked_for) == ["ok", "EHOSTUNREACH", "EHOSTUNREACH", "EACCES", "ok"]


def test_changed_policy_cuts_the_flows_that_it_forbids_and_no_other(hosts: ExitHosts) -> None:
    """W-54: the flows are open, and one of them sends all the time."""
    hosts.start()
    four, six = PUBLIC
    with open_flow(hosts.client.host, four) as kept, open_flow(hosts.client.host, six) as cut:
        assert echoed(kept)
        assert echoed(cut)
        hosts.reload('routes = ["0.0.0.0/0"]', f'deny = ["{four}:8081"]')
        assert echoed(kept)
        with pytest.raises(ConnectionError):
            until(lambda: not echoed(cut), "the flow is cut")
        hosts.reload(f'deny = ["{four}"]')
        with pytest.raises(ConnectionError):
            until(lambda: not echoed(kept), "the flow is cut")


def open_flow(host: Host, place: str) -> socket.socket:
    return host.inside(lambda: socket.create_connection((place, 8080), SOON_SECONDS))


def echoed(flow: socket.socket) -> bool:
    """Return True if a flow still echoes. Raises ConnectionError if it was reset."""
    flow.sendall(b"x")
    return flow.recv(1) == b"x"


SETTINGS = ("ipv4/conf/*/forwarding", "ipv6/conf/*/forwarding", "ipv6/conf/*/force_forwarding", "ipv6/conf/*/accept_ra")


def settings(host: Host) -> str:
    """Return the settings of forwarding, without those of a link that comes and goes."""
    files = " ".join(f"/proc/sys/net/{pattern}" for pattern in SETTINGS)
    found = host.run("sh", "-c", f"grep -s . {files} || true")
    return "\n".join(line for line in found.splitlines() if "/wg0/" not in line)


def tables(host: Host) -> str:
    """Return the rules of every packet filter of a host."""
    return host.run("nft", "list", "ruleset")


def test_disconnect_restores_forwarding_and_removes_the_table(hosts: ExitHosts) -> None:
    """W-56."""
    before = settings(hosts.exit.host)
    hosts.start()
    assert "/ipv4/conf/eth1/forwarding:1" in settings(hosts.exit.host)
    assert "/ipv4/conf/eth0/forwarding:0" in settings(hosts.exit.host)
    assert "table inet warren_exit" in tables(hosts.exit.host)
    hosts.exit.attempt("disconnect")
    assert (settings(hosts.exit.host), tables(hosts.exit.host)) == (before, "")


@pytest.mark.security
@pytest.mark.parametrize("cleaner", ["helper", "recover"])
def test_exit_node_of_a_killed_agent_is_closed(hosts: ExitHosts, cleaner: str) -> None:
    """W-56: by the helper, which outlives the agent; or by the next command, if that was killed too."""
    before = settings(hosts.exit.host)
    hosts.start()
    pid = hosts.exit.pid()
    if cleaner == "recover":
        children = hosts.exit.host.run("sh", "-c", f"cat /proc/{pid}/task/*/children").split()
        hosts.exit.host.kill(int(children[0]), "KILL")
    hosts.exit.host.kill(pid, "KILL")
    hosts.exit.ended()
    if cleaner == "recover":
        assert "/ipv4/conf/eth1/forwarding:1" in settings(hosts.exit.host)
        assert hosts.exit.attempt("recover").returncode == 0
    until(lambda: (settings(hosts.exit.host), tables(hosts.exit.host)) == (before, ""), "the host is as it was")


def test_value_that_another_program_set_is_not_restored(hosts: ExitHosts) -> None:
    """W-56: the host became a router meanwhile, which changes nothing that Warren has already set."""
    hosts.start()
    hosts.exit.host.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    hosts.exit.attempt("disconnect")
    assert "/ipv4/conf/eth1/forwarding:1" in settings(hosts.exit.host)


def test_forwarding_that_another_program_ended_is_a_condition(hosts: ExitHosts) -> None:
    hosts.start()
    hosts.exit.host.run("sysctl", "-q", "-w", "net.ipv4.conf.eth1.forwarding=0")
    until(lambda: "net.ipv4.conf.eth1.forwarding is 0" in hosts.warnings(), "it is a condition", 60)


def test_table_that_another_program_removed_is_restored(hosts: ExitHosts) -> None:
    hosts.start()
    for _ in range(3):
        hosts.exit.host.run("nft", "flush", "ruleset")
        until(lambda: "table inet warren_exit" in tables(hosts.exit.host), "the table is there again")
    assert hosts.ask("tcp:10.66.0.9:8080") == ["EHOSTUNREACH"]


@pytest.mark.needs("iptables")
def test_chain_of_docker_that_drops_is_reported_with_rules_that_open_it(hosts: ExitHosts) -> None:
    host = hosts.exit.host
    for rule in DOCKER_RULES:
        host.run("iptables", *rule.split())
    hosts.start()
    destinations = [f"tcp:{PUBLIC[0]}:8080", f"icmp:{PUBLIC[1]}"]
    assert hosts.ask(*destinations) == ["silent", "ok"]
    warning = until(hosts.warnings, "it is a condition", 60)
    assert "exit_blocked_by filter/FORWARD" in warning
    commands = warning.partition("add rules to it: ")[2].splitlines()[0].split("; ")
    assert commands == ["iptables -I DOCKER-USER -i wg0 -j ACCEPT", "iptables -I DOCKER-USER -o wg0 -j ACCEPT"]
    for command in commands:
        host.run(*command.split())
    assert hosts.ask(*destinations) == ["ok", "ok"]
    until(lambda: "exit_blocked_by" not in hosts.warnings(), "the condition ends", 60)


DOCKER_RULES = (
    "-N DOCKER-USER",
    "-N DOCKER-FORWARD",
    "-N DOCKER-CT",
    "-N DOCKER",
    "-P FORWARD DROP",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -j DOCKER-FORWARD",
    "-A DOCKER-FORWARD -j DOCKER-CT",
    "-A DOCKER-FORWARD -i docker0 -j ACCEPT",
    "-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A DOCKER ! -i docker0 -o docker0 -j DROP",
)
"""The rules that dockerd 28 loads for its bridge, as `iptables -S` prints them."""


def test_missing_route_and_silent_name_server_are_conditions(hosts: ExitHosts) -> None:
    """W-56: `status` says why an exit node does not work."""
    hosts.exit.host.ip("route", "delete", "default")
    hosts.start(f'dns = ["{LAN[0]}"]')
    until(lambda: "no route to the destinations of exit_node.routes over IPv4" in hosts.warnings(), "no route", 60)
    hosts.reload('dns = ["192.168.7.99"]')
    until(lambda: "192.168.7.99 of exit_node.dns did not answer" in hosts.warnings(), "the server is silent", 60)
    hosts.exit.host.ip("route", "add", "default", "via", "198.51.100.2")
    until(lambda: "no route" not in hosts.warnings(), "the route is found", 60)
    assert hosts.ask(f"tcp:{PUBLIC[0]}:8080") == ["ok"]
