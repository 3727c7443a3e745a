"""Three hosts around a proxy, which has no TUN.

far                                  near                                outside
eth0 192.0.2.2/24     ── cable ──    eth0 192.0.2.1/24
                                     eth1 198.51.100.1/24  ── cable ──   eth0 198.51.100.2/24
wg0  10.9.0.2/24      ══ tunnel ══   proxy 10.9.0.1

"Out" is a program on `near` that reaches `far` through the proxy; "in" is `far` that reaches `outside` through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import engines
import flowgen
from host import Host, join
from tunnel import INNER, MTU, OUTER, PORT, Interface, KeyPair, cabled

CONGESTION = "cubic"
"""Set on every socket of the bench: hosts differ in their default."""
INNER_MTU = MTU
FAR_ENDPOINT = f"{OUTER['far']}:{PORT}"
OUTSIDE, OUTSIDE_NETWORK = "198.51.100.2", "198.51.100.0/24"
SOCKS = "127.0.0.1:1080"
FORWARDED_PORT = 6000
"""The port of the proxy's inner address that leads outside, where the proxy is not an exit."""


@dataclass(frozen=True, slots=True)
class Network:
    """The hosts, with a server on `far` and on `outside`."""

    near: Host
    far: Host
    outside: Host
    far_server: flowgen.Running
    outside_server: flowgen.Running
    directory: Path
    """Files of the proxy."""


@contextmanager
def connected() -> Iterator[Network]:
    """Yield the hosts without a tunnel."""
    with ExitStack() as stack:
        near, far = stack.enter_context(cabled())
        directory = Path(stack.enter_context(TemporaryDirectory()))
        outside = stack.enter_context(Host("outside", directory / "outside.log"))
        join(near, outside, "eth1", "eth0")
        near.ip("address", "add", "198.51.100.1/24", "dev", "eth1")
        outside.ip("address", "add", f"{OUTSIDE}/24", "dev", "eth0")
        servers = [stack.enter_context(flowgen.server(host, CONGESTION)) for host in (far, outside)]
        yield Network(near, far, outside, servers[0], servers[1], directory)


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The keys of a tunnel whose far end is warren-wg."""

    near: KeyPair
    far: KeyPair

    @classmethod
    def start(cls, network: Network) -> FarEnd:
        """Start the far end, which expects the proxy at `near`."""
        interface = Interface(network.far, engines.warren())
        keys = KeyPair.generate()
        allowed = f"{INNER['near']}/32, {OUTSIDE_NETWORK}"
        interface.configure("addconf", f"[Peer]\nPublicKey = {keys.public}\nAllowedIPs = {allowed}\n")
        network.far.ip("route", "add", OUTSIDE_NETWORK, "dev", "wg0")
        return cls(keys, interface.keys)
