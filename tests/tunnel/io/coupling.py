"""Change a full tunnel in this network namespace again and again, by Warren and by ip(8), beside a flood of packets.

    python -m tests.tunnel.io.coupling SEED STEPS

After each step the kernel, as observed, is compared with the model of it (tests/tunnel/host.py) and with what is
desired, and eth0 must not have sent a packet of the flood in clear. The namespace has default routes by eth0. The first
difference ends the run with an AssertionError that names the step.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

from tests.tunnel.host import MIN_IPV6_MTU, SimulatedHost
from warren._core import Netlink, PrivateKey
from warren.tunnel.config import InterfaceConfig, IPInterface, IPNetwork, PeerConfig
from warren.tunnel.io.converge import converge
from warren.tunnel.io.in_process import InProcessEngine
from warren.tunnel.io.observe import join_status
from warren.tunnel.io.policy import active_marks, remove_stale_policy, with_policy
from warren.tunnel.plan import AddConnectedRoute, CreateInterface, plan
from warren.tunnel.status import InterfaceStatus

LINK, UPLINK = "wg0", "eth0"
BEYOND = {4: "198.51.100.9", 6: "2001:db8:ffff::9"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
ALL_PROTOCOLS = 3  # ETH_P_ALL
DESTINATION = {4: slice(16, 20), 6: slice(24, 40)}
FLOOD_SECONDS = 0.0005
ADDRESSES = tuple(
    map(ip_interface, ("10.9.0.1/24", "10.9.0.2/24", "10.9.1.1/24", "10.9.2.7/32", "fd09::1/64", "fd09::2/64"))
) + tuple(map(ip_interface, ("fd0a::1/128", "fe80::7/64")))
FOREIGN = tuple(map(ip_interface, ("10.9.0.200/24", "10.77.0.1/24", "fd77::1/64")))
PREFIXES = tuple(map(ip_network, ("10.9.0.0/24", "10.44.0.0/16", "fd44::/48")))
DEFAULT = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
KEY, PEER = PrivateKey.generate(), PrivateKey.generate().public_key()


@dataclass(frozen=True, slots=True)
class Edit:
    """What another program does: on the host and in the model."""

    words: tuple[str, ...]
    model: Callable[[SimulatedHost], None]


class Flood:
    """Packets to an address of each version beyond the uplink, and those of them that eth0 sends."""

    def __init__(self) -> None:
        self._sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PROTOCOLS))
        self._sniffer.bind((UPLINK, ALL_PROTOCOLS))
        self._sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._sniffer.setblocking(False)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent = 0
        self._thread.start()

    def _send(self) -> None:
        senders = {version: socket.socket(family, socket.SOCK_DGRAM) for version, family in FAMILY.items()}
        while not self._end.wait(FLOOD_SECONDS):
            for version, sender in senders.items():
                try:
                    sender.sendto(b"clear", (BEYOND[version], 9))
                    self.sent += 1
                except OSError:
                    pass  # refused by the fallback, or no address yet: nothing left this host

    def in_clear(self) -> set[int]:
        """Return the versions of which a packet was sent by eth0 since the last call."""
        seen: set[int] = set()
        while True:
            try:
                packet, where = self._sniffer.recvfrom(100)
            except BlockingIOError:
                return seen
            version = packet[0] >> 4
            if where[2] == socket.PACKET_OUTGOING and version in DESTINATION:
                destination = ip_address(packet[DESTINATION[version]])
                seen |= {version} if str(destination) == BEYOND[version] else set()

    def close(self) -> None:
        """End the flood."""
        self._end.set()
        self._thread.join()


def configs(draw: random.Random) -> Iterator[InterfaceConfig]:
    """Yield configurations with a default route of IPv4 and sometimes one of IPv6."""
    while True:
        prefixes = [DEFAULT[4], *draw.sample(PREFIXES, draw.randrange(len(PREFIXES)))]
        prefixes += [DEFAULT[6]] if draw.random() < 0.7 else []
        yield InterfaceConfig(
            LINK,
            KEY,
            fwmark=draw.choice((0, 0, 0, 7, 51820)),
            mtu=draw.choice((1280, 1420)),
            addresses=tuple(draw.sample(ADDRESSES, draw.randrange(len(ADDRESSES)))),
            peers=(PeerConfig(PEER, allowed_ips=tuple(prefixes)),),
        )


def edits(draw: random.Random, model: SimulatedHost) -> Iterator[Edit]:
    """Yield what another program may do to the link as it is."""
    there = [address for address in model.link.addresses if not is_kernels(address)]
    yield Edit(("ip", "link", "set", LINK, "down"), SimulatedHost.set_down)
    small = MIN_IPV6_MTU - 1
    yield Edit(("ip", "link", "set", LINK, "mtu", str(small)), lambda host: host.set_mtu(small))
    yield Edit(("ip", "-4", "route", "flush", "table", "main", "dev", LINK), lambda host: host.flush_main(4))
    yield Edit(("ip", "-6", "route", "flush", "table", "main", "dev", LINK), lambda host: host.flush_main(6))
    yield Edit(("ip", "-4", "address", "flush", "dev", LINK), lambda host: host.flush_addresses(4))
    setting = f"/proc/sys/net/ipv4/conf/{LINK}/promote_secondaries"
    yield Edit(("sh", "-c", f"echo 0 > {setting}"), SimulatedHost.stop_promotion)
    if there:
        address = draw.choice(there)
        yield Edit(("ip", "address", "delete", str(address), "dev", LINK), lambda host: host.remove_address(address))
    new = [address for address in FOREIGN if address not in there]
    if new:
        foreign = draw.choice(new)
        yield Edit(("ip", "address", "add", str(foreign), "dev", LINK), lambda host: host.add_address(foreign))


def is_kernels(address: IPInterface) -> bool:
    """Return whether the kernel may have added the address by itself, at a moment of its own."""
    return address.version == 6 and address.is_link_local and address not in ADDRESSES


def facts(status: InterfaceStatus) -> dict[str, object]:
    """Return what the kernel keeps of an interface, in a form that compares."""
    assert status.link is not None
    link = status.link
    local: IPNetwork = ip_network("fe80::/64")
    return {
        "up": link.up,
        "mtu": link.mtu,
        "addresses": sorted(str(address) for address in link.addresses if not is_kernels(address)),
        "own": sorted(map(str, link.own_addresses)),
        "all routes": sorted((str(r.destination), r.table) for r in link.all_routes if r.destination != local),
        "routes": sorted((str(route.destination), route.table) for route in link.routes),
        "rules": sorted((rule.version, rule.priority, rule.fwmark, rule.table) for rule in status.rules),
        "fallbacks": sorted((str(fallback.destination), fallback.table) for fallback in status.fallbacks),
        "promotes": link.promotes_secondaries,
    }


def full_versions(config: InterfaceConfig) -> set[int]:
    """Return the versions of which a configuration takes everything."""
    return {prefix.version for peer in config.peers for prefix in peer.allowed_ips if prefix.prefixlen == 0}


class Run:
    """One interface, its model, and the flood beside them."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311
        self._configs = configs(self._draw)
        self._netlink = Netlink.open()
        self._engine = InProcessEngine(LINK)
        self.model = SimulatedHost()
        self.config = next(self._configs)
        self._engine.create()
        self.model.step(CreateInterface(LINK))
        self.reach(self.config)
        self.flood = Flood()

    def observe(self) -> InterfaceStatus:
        return join_status(LINK, self._engine.status(), self._netlink)

    def reach(self, config: InterfaceConfig) -> None:
        """Let Warren bring the interface to a configuration, and the model with it."""
        self.config = config
        steps, status = converge(config, self._engine, self._netlink, self.observe)
        for step in steps:
            if not (isinstance(step, AddConnectedRoute) and is_kernels(step.address)):
                self.model.step(step)
        left = plan(with_policy(config, self._netlink, status), status)
        assert left == (), f"left of {steps}: {left}"

    def step(self) -> str:
        """Take one step at random, and return what was done."""
        if self._draw.random() < 0.4:
            self.reach(next(self._configs))
            return f"{self.config.fwmark} {self.config.mtu} {self.config.addresses} {self.config.peers[0].allowed_ips}"
        edit = self._draw.choice([*edits(self._draw, self.model)])
        print("...", *edit.words, flush=True)
        subprocess.run(edit.words, check=True)
        edit.model(self.model)
        self.compare(f"after {edit.words}")
        self.reach(self.config)
        return " ".join(edit.words)

    def compare(self, when: str) -> None:
        """Hold the model against the kernel."""
        real, model = facts(self.observe()), facts(self.model.present)
        assert real == model, f"{when}: { ({key: (real[key], model[key]) for key in real if real[key] != model[key]}) }"

    def close(self) -> None:
        """Remove everything."""
        self.flood.close()
        self._engine.remove()
        active_marks.record(LINK, None)
        remove_stale_policy(self._netlink)


def main(arguments: Sequence[str]) -> None:
    """Run so many steps from a seed, and print them."""
    seed, steps = map(int, arguments)
    run = Run(seed)
    run.flood.in_clear()
    for number in range(steps):
        full = full_versions(run.config)
        done = run.step()
        print(number, done, flush=True)
        run.compare(done)
        opened = run.flood.in_clear() & full & full_versions(run.config)
        assert not opened, f"IPv{opened} left in clear: {done}"
    run.close()
    assert run.flood.sent > steps, "the flood did not run"
    assert not Path(f"/sys/class/net/{LINK}").exists()


if __name__ == "__main__":
    main(sys.argv[1:])
