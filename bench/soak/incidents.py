"""What happens to a tunnel while it carries traffic. Each incident ends with the tunnel open, elsewhere or otherwise.

A datagram that lies in a socket when that is closed is counted by nobody. So before an end closes one the path is
interrupted, which counts what comes meanwhile, until that end has read all it has.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle

from engines import Engine
from host import until
from soak import sample
from soak.end import End
from soak.line import Line
from soak.topology import GUEST_INNER, GUESTS_WAY, PORT
from tunnel import KeyPair

HUSHED_SECONDS = 60.0  # longer than an incident takes
CARRIER_SECONDS = 0.5
MTUS = (1380, 1280, 1420)  # 1,280 is the least for IPv6
STRANGERS = 100
FIRST_OTHER_PORT = 53_000


@dataclass(slots=True)
class Incidents:
    """Of one tunnel."""

    line: Line
    outage_seconds: float
    kinds: tuple[str, ...]
    guest: End | None = None
    happened: dict[str, int] = field(default_factory=dict)
    _mtus: Iterator[int] = field(default_factory=lambda: cycle(MTUS))
    _ports: Iterator[int] = field(default_factory=lambda: count(FIRST_OTHER_PORT))
    _strangers: tuple[str, ...] = ()
    _guest_key: str = ""

    def happen(self, kind: str) -> None:
        """One of `DEEDS`."""
        DEEDS[kind](self)
        self.happened[kind] = self.happened.get(kind, 0) + 1

    def outage(self) -> None:
        """Nothing passes the path for a while."""
        now = time.monotonic()
        self.line.path.cut(self.outage_seconds)
        self.line.watch.excuse(now, now + self.outage_seconds)

    @contextmanager
    def hushed(self, side: str) -> Iterator[None]:
        """The path is interrupted until the end, and the body begins once this side's host has read all that came."""
        path, host, begin = self.line.path, self.line.ends[side].host, time.monotonic()
        path.cut(HUSHED_SECONDS)
        until(lambda: path.snapshot()[1] == 0 and sample.unread(host) == 0, "the path and the sockets are empty")
        try:
            yield
        finally:
            self.line.watch.excuse(begin, time.monotonic())
            path.mend()

    def tunnel_link(self, side: str) -> None:
        """It goes down and up again, which is the end of all sessions of this side."""
        host = self.line.ends[side].host
        with self.hushed(side):
            host.ip("link", "set", "wg0", "down")
            time.sleep(self.outage_seconds / 4)
        host.ip("link", "set", "wg0", "up")

    def cable(self, side: str) -> None:
        """An end's network goes down and up again; what it sends meanwhile its own host refuses."""
        host = self.line.ends[side].host
        with self.hushed(side):
            host.ip("link", "set", "eth0", "down")
            time.sleep(self.outage_seconds / 4)
            host.ip("link", "set", "eth0", "up")
            time.sleep(CARRIER_SECONDS)

    def port(self, side: str) -> None:
        """An end listens elsewhere."""
        with self.hushed(side):
            self.line.ends[side].set("listen-port", str(next(self._ports)))

    def preshared_key(self) -> None:
        """Another one, which the next handshake needs; the tunnel's links go down and up, so that it comes at once."""
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        for here, other in ((self.line.near, self.line.far), (self.line.far, self.line.near)):
            here.set("peer", other.keys.public, "preshared-key", "/dev/stdin", stdin=key)
        self.tunnel_link("near")

    def mtu(self) -> None:
        """Another one at both ends."""
        octets = str(next(self._mtus))
        for end in self.line.ends.values():
            end.host.ip("link", "set", "wg0", "mtu", octets)

    def strangers(self) -> None:
        """Peers that nobody hears of come, those of the last time go."""
        coming = tuple(base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(STRANGERS))
        words = [word for key in self._strangers for word in ("peer", key, "remove")]
        for number, key in enumerate(coming):
            words += ["peer", key, "allowed-ips", f"10.200.{number // 250}.{number % 250}/32"]
        for end in self.line.ends.values():
            end.set(*words)
        self._strangers = coming

    def visit(self) -> None:
        """A peer with a new key makes a session with the near end; the one before it is removed, session and all."""
        if self.guest is None:
            raise ValueError("no guest was asked here")
        keys, near = KeyPair.generate(), self.line.near
        if self._guest_key:
            near.set("peer", self._guest_key, "remove")
        near.set("peer", keys.public, "allowed-ips", f"{GUEST_INNER}/32")
        self._guest_key = keys.public
        self.guest.set("private-key", "/dev/stdin", stdin=keys.private)
        words = ("allowed-ips", "10.9.0.0/24", "endpoint", f"{GUESTS_WAY}:{PORT}")
        self.guest.set("peer", near.keys.public, "remove")
        self.guest.set("peer", near.keys.public, *words)
        ping = ["ping", "-n", "-c", "1", "-W", "1", "10.9.0.1"]
        host = self.guest.host
        until(lambda: host.attempt(*ping).returncode == 0, "the guest reaches the near end")


DEEDS: dict[str, Callable[[Incidents], None]] = {
    "the far end hears the near one from elsewhere": lambda incidents: incidents.line.path.move("far"),
    "the near end hears the far one from elsewhere": lambda incidents: incidents.line.path.move("near"),
    "the path is interrupted": Incidents.outage,
    "another listen port, near": lambda incidents: incidents.port("near"),
    "another listen port, far": lambda incidents: incidents.port("far"),
    "another preshared key": Incidents.preshared_key,
    "another MTU": Incidents.mtu,
    "the near tunnel link goes down and up": lambda incidents: incidents.tunnel_link("near"),
    "the far tunnel link goes down and up": lambda incidents: incidents.tunnel_link("far"),
    "the near cable goes down and up": lambda incidents: incidents.cable("near"),
    "a hundred peers come, a hundred go": Incidents.strangers,
    "a guest comes with a new key, the last one goes": Incidents.visit,
}


def guest_of(line: Line, engine: Engine) -> End:
    """An end on the host beside the near one."""
    return End(line.topology.guest, engine, f"{GUEST_INNER}/24")
