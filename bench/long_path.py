"""Two hosts with a tunnel whose datagrams take a long way: rate, queue, delay and loss of warren-flowgen's relay.

near                                                  far
tcpN 10.8.N.1/24  (a TUN; behind it 10.8.N.2)
eth0 192.0.2.1    ── cable ── relay :51821 ── :51820  eth0 192.0.2.2
wg0  10.9.0.1     ══════════════ tunnel ═══════════   wg0  10.9.0.2    server
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import engines
import flowgen
from host import Host, until
from tunnel import INNER, OUTER, PORT, Interface, cabled

RELAY_PORT = PORT + 1
TUN_NETWORK = "10.8.0.0/16"


@dataclass(frozen=True, slots=True)
class Route:
    """The properties of the way between the hosts, the same in both directions."""

    megabits: float = 200
    round_trip_ms: float = 50
    queue_ms: float = 50
    """The time that a full queue takes to drain."""
    loss_percent: float = 0

    @property
    def queue_in_bdp(self) -> float:
        """Return the queue as a multiple of the bandwidth-delay product."""
        return self.queue_ms / self.round_trip_ms


@dataclass(frozen=True, slots=True)
class LongPath:
    """The hosts, the server on `far`, and the relay between them."""

    near: Host
    far: Host
    server: flowgen.Running
    relay: flowgen.Running
    directory: Path

    @property
    def target(self) -> flowgen.Target:
        """Return the server as `near` reaches it."""
        return flowgen.Target(f"{INNER['far']}:{flowgen.PORT}")


@contextmanager
def opened(route: Route, congestion: str) -> Iterator[LongPath]:
    """Yield the hosts with a tunnel through which an echo has come back; the server sends with `congestion`."""
    with ExitStack() as stack:
        near, far = stack.enter_context(cabled())
        directory = Path(stack.enter_context(TemporaryDirectory()))
        near.run("tee", "/proc/sys/net/ipv4/ip_forward", stdin="1")
        words = [f"{OUTER['far']}:{RELAY_PORT}", f"{OUTER['far']}:{PORT}", str(route.megabits)]
        words += [str(route.round_trip_ms / 2), str(route.queue_ms), str(route.loss_percent)]
        relay = stack.enter_context(flowgen.Running(far, "relay", *words))
        server = stack.enter_context(flowgen.server(far, congestion))
        _open_tunnel(near, far)
        yield LongPath(near, far, server, relay, directory)


def _open_tunnel(near: Host, far: Host) -> None:
    ends = {host.name: Interface(host, engines.warren()) for host in (near, far)}
    allowed = f"AllowedIPs = {INNER['near']}/32, {TUN_NETWORK}\n"
    ends["far"].configure("addconf", f"[Peer]\nPublicKey = {ends['near'].keys.public}\n{allowed}")
    where = f"AllowedIPs = {INNER['far']}/32\nEndpoint = {OUTER['far']}:{RELAY_PORT}\n"
    ends["near"].configure("addconf", f"[Peer]\nPublicKey = {ends['far'].keys.public}\n{where}")
    far.ip("route", "add", TUN_NETWORK, "dev", "wg0")
    ping = ["ping", "-n", "-c", "1", "-W", "1", INNER["far"]]
    until(lambda: near.attempt(*ping).returncode == 0, "an echo through the tunnel")
