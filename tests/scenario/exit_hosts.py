"""A client, an exit node with two links, and a host far behind it that knows no way back to the client.

client                                    exit                                      far
eth0 172.31.1.1/24 ── cable ── eth0 172.31.1.2/24
wg0  10.7.0.2/24   ══ tunnel ══ wg0 10.7.0.1/24
     fd07::2/64                     fd07::1/64      eth1 198.51.100.1/24 ── cable ── eth0 198.51.100.2/24
                                                         2001:db8:5::1/64                 2001:db8:5::2/64
                                                         192.168.7.1/24                   192.168.7.2/24
                                                         fd77::1/64                       fd77::2/64
                                                                                     lo   PUBLIC and ELSEWHERE
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.netns.deadline import until
from tests.netns.host import Host, address, join

from .agent import PORT, Agent, Network, Peer

REACH = Path(__file__).with_name("exit_reach.py")
OUTSIDE, INSIDE, INSIDE_V6 = "172.31.1.2", "10.7.0.1", "fd07::1"
PUBLIC = ("203.0.113.9", "2001:db8:9::9")
LAN = ("192.168.7.2", "fd77::2")
ATTACHED = ("198.51.100.2", "2001:db8:5::2")
ELSEWHERE = (
    *("10.66.0.9", "172.20.0.9", "100.70.0.9", "198.18.0.9", "fd66::9"),
    *("192.0.0.9", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "fd00:a9fe:a9fe::1"),
    *(
        "64:ff9b::a42:9",
        "64:ff9b::c0a8:702",
        "64:ff9b::7f00:1",
        "2002:a42:9::9",
        "2002:7f00:1::1",
        "64:ff9b:1::808:808",
    ),
    *("2001::9", "fec0::9"),
)
"""Addresses of each class that is refused, and wrapped ones, that only far has."""


@dataclass(frozen=True, slots=True)
class ExitHosts:
    """The three hosts. The exit's agent is not started."""

    client: Agent
    exit: Agent
    far: Host

    def configure(self, *lines: str) -> None:
        """Write the exit's configuration: `lines` are those of its table `exit_node`."""
        client = Peer("client", self.client.key(), ("10.7.0.2/32", "fd07::2/128"))
        network = network_of((INSIDE, INSIDE_V6)).but(peers=(client,))
        table = "\n".join(("[network.default.exit_node]", "enabled = true", *lines))
        self.exit.configure(network)
        self.exit.config.write_text(f"{self.exit.config.read_text()}\n{table}\n")

    def reload(self, *lines: str) -> None:
        """Change the table of the running exit."""
        self.configure(*lines)
        self.exit.reload()

    def start(self, *lines: str) -> None:
        """Start both agents, with a session between them."""
        self.configure(*lines)
        self.exit.start()
        self.exit.until_state("active")
        peer = Peer("exit", self.exit.key(), ("0.0.0.0/0", "::/0"), f"{OUTSIDE}:{PORT}")
        self.client.configure(network_of(("10.7.0.2", "fd07::2")).but(peers=(peer,)))
        self.client.start()
        self.client.until_state("active")
        until(lambda: self.exit.said("exit.opened"), "the exit node is open")

    def ask(self, *destinations: str) -> list[str]:
        """Return what becomes of each destination of the client."""
        return asked(self.client.host, *destinations)

    def warnings(self) -> str:
        """Return the warnings of the exit's network."""
        return "\n".join(self.exit.network()["warnings"])


def network_of(addresses: Sequence[str], *lines: str) -> Network:
    """Return a network with addresses of both versions of IP."""
    inside = [f"{each}/{64 if ':' in each else 24}" for each in addresses]
    return Network(lines=(f"address = {json.dumps(inside)}", *lines))


def asked(host: Host, *destinations: str) -> list[str]:
    """Return what becomes of each destination of a host."""
    return host.run("python3", REACH, *destinations).split("\n")[: len(destinations)]


def each_protocol(addresses: Iterable[str], port: int = 8080) -> list[str]:
    """Return the destinations of addresses by TCP, UDP and echo."""
    return [text for each in addresses for text in (f"tcp:{each}:{port}", f"udp:{each}:{port}", f"icmp:{each}")]


def cable_hosts(client: Agent, exit_node: Agent, far: Host) -> ExitHosts:
    """Connect the three hosts, and let the exit and far answer on every address they have."""
    join(client.host, exit_node.host)
    join(exit_node.host, far, name="eth1")
    far.ip("link", "set", "eth1", "down")
    far.ip("link", "set", "eth1", "name", "eth0")
    far.ip("link", "set", "eth0", "up")
    address(client.host, "eth0", "172.31.1.1/24")
    address(exit_node.host, "eth0", f"{OUTSIDE}/24")
    address(exit_node.host, "eth1", "198.51.100.1/24", "2001:db8:5::1/64", "192.168.7.1/24", "fd77::1/64")
    address(far, "eth0", "198.51.100.2/24", "2001:db8:5::2/64", "192.168.7.2/24", "fd77::2/64")
    address(far, "lo", *(f"{each}/{128 if ':' in each else 32}" for each in (*PUBLIC, *ELSEWHERE)))
    exit_node.host.ip("route", "add", "default", "via", "198.51.100.2")
    exit_node.host.ip("-6", "route", "add", "default", "via", "2001:db8:5::2")
    for host in (exit_node.host, far):
        host.run("sysctl", "-q", "-w", "net.ipv4.ping_group_range=0 2147483647", "net.ipv4.conf.all.rp_filter=0")
        host.start("python3", REACH, "serve", log="echo")
    client.host.run("sysctl", "-q", "-w", "net.ipv4.ping_group_range=0 2147483647")
    until(lambda: all("ready" in host.log() for host in (exit_node.host, far)), "the servers answer")
    return ExitHosts(client, exit_node, far)
