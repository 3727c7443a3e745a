"""The hosts of one tunnel, and the networks between them.

near ─ eth0 10.1.0.1 fd01::1 ─── near 10.1.0.200… ─ path ─ far 10.2.0.200… ─── 10.2.0.1 fd02::1 eth0 ─ far
near ─ guest 10.3.0.1 ─────────────────────────────────────────────────────────── 10.3.0.2 eth0 ─ guest
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from host import Host
from soak.path import Face

NETWORKS = {"near": 1, "far": 2}
INNER = {"near": ("10.9.0.1", "fd09::1"), "far": ("10.9.0.2", "fd09::2")}
GUEST_INNER, GUEST_OUTER, GUESTS_WAY = "10.9.0.9", "10.3.0.2", "10.3.0.1"
ADDRESSES = range(200, 204)
PORT = 51820
FIRST_PORT = 20_000
# An end's own addresses stay while its link is down, as those of IPv4 do anyway.
KEEPING = "for each in all default; do echo 1 > /proc/sys/net/ipv6/conf/$each/keep_addr_on_down; done"


@dataclass(frozen=True, slots=True)
class Ground:
    """The hosts with their cables and addresses."""

    near: Host
    far: Host
    path: Host
    guest: Host


@contextmanager
def laid() -> Iterator[Ground]:
    """Yield the topology; remove all of it afterwards."""
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        hosts = {name: stack.enter_context(Host(name, logs / name)) for name in ("near", "far", "path", "guest")}
        for host in hosts.values():
            host.run("sh", "-c", KEEPING)
        path, guest = hosts["path"], hosts["guest"]
        for side, network in NETWORKS.items():
            cable(hosts[side], "eth0", path, side)
            address(hosts[side], "eth0", f"10.{network}.0.1/24", f"fd0{network}::1/64")
            for number in ADDRESSES:
                address(path, side, f"10.{network}.0.{number}/24", f"fd0{network}::{number}/64")
        cable(hosts["near"], "guest", guest, "eth0")
        address(hosts["near"], "guest", f"{GUESTS_WAY}/24")
        address(guest, "eth0", f"{GUEST_OUTER}/24")
        yield Ground(hosts["near"], hosts["far"], path, guest)


def cable(left: Host, left_link: str, right: Host, right_link: str) -> None:
    """Create a veth pair and set it up."""
    left.ip("link", "add", left_link, "type", "veth", "peer", right_link, "netns", str(right.pid))
    left.ip("link", "set", left_link, "up")
    right.ip("link", "set", right_link, "up")


def address(host: Host, link: str, *prefixes: str) -> None:
    """Add addresses to a link; IPv6 ones are usable at once."""
    for prefix in prefixes:
        host.ip("address", "add", prefix, "dev", link, *(["nodad"] if ":" in prefix else []))


def face(side: str, *, has_ipv6: bool) -> Face:
    """Return the addresses of the path on the side of an end. With IPv6, every third is one."""
    network = NETWORKS[side]
    ends = {socket.AF_INET: f"10.{network}.0.1", socket.AF_INET6: f"fd0{network}::1"}
    return Face(ends, PORT, places(network, has_ipv6=has_ipv6))


def places(network: int, *, has_ipv6: bool) -> Iterator[tuple[socket.AddressFamily, str, int]]:
    """Yield addresses without end, never the same port again."""
    for step, number in zip(count(), cycle(ADDRESSES), strict=False):
        if has_ipv6 and step % 3 == 2:
            yield socket.AF_INET6, f"fd0{network}::{number}", FIRST_PORT + step
        else:
            yield socket.AF_INET, f"10.{network}.0.{number}", FIRST_PORT + step
