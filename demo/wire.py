"""Two hosts and a wire between them."""

from __future__ import annotations

from demo.host import Host, run
from demo.screen import Screen

TITLE = "Two hosts, one wire"


def show(screen: Screen, alice: Host, bob: Host) -> None:
    """Create two network namespaces and connect them with a veth pair."""
    for host in (alice, bob):
        run("ip", "netns", "add", host.name)
    run("ip", "link", "add", alice.cable, "netns", alice.name, "type", "veth", "peer", bob.cable, "netns", bob.name)
    for host in (alice, bob):
        host.run("ip", "link", "set", "lo", "up")
        host.run("ip", "address", "add", f"{host.wire}/24", "dev", host.cable)
        host.run("ip", "link", "set", host.cable, "up")
    screen.fact(f"{alice.name} {alice.wire} ──────── veth ──────── {bob.wire} {bob.name}")
    screen.fact("each host is a network namespace with its own interfaces, addresses, routes and sockets")
