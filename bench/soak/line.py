"""A tunnel over a path, with traffic all the time: what is watched, interrupted and brought into balance."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from engines import Engine
from failure import BenchError
from host import until
from soak import sample, topology
from soak.accounting import Ledger
from soak.end import End
from soak.flows import Echoes, Flow, Stream
from soak.impairment import Weather
from soak.path import Path
from soak.path_counters import Toll
from soak.stall import Watch
from soak.status import Status
from soak.topology import INNER, Ground

REST_SECONDS = 0.4
BALANCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Books:
    """Every counter, at one moment."""

    near: Status
    far: Status
    tolls: dict[str, Toll]
    waiting: int
    undelivered: dict[str, int]


@dataclass(slots=True)
class Line:
    """Open, with its flows."""

    name: str
    topology: Ground
    path: Path
    near: End
    far: End
    watch: Watch
    flows: list[Flow] = field(default_factory=list)

    @property
    def ends(self) -> dict[str, End]:
        """By side."""
        return {"near": self.near, "far": self.far}

    def status(self, side: str) -> Status:
        """What an end says of the other."""
        here, other = (self.near, self.far) if side == "near" else (self.far, self.near)
        return here.status(other.keys.public)

    def books(self) -> Books:
        """As they stand now."""
        tolls, waiting = self.path.snapshot()
        hosts = {side: sample.undelivered(end.host) for side, end in self.ends.items()}
        if spilt := sample.undelivered(self.topology.path):
            raise BenchError(f"{self.name}: {spilt} datagrams reached no socket of the path, so nothing can be counted")
        return Books(self.status("near"), self.status("far"), tolls, waiting, hosts)

    def balanced(self) -> list[Ledger]:
        """Both directions, taken while all flows pause and nothing is on its way. BenchError if that never comes."""
        begin = time.monotonic()
        for flow in self.flows:
            flow.pause()
        try:
            return ledgers(self.name, self._resting())
        finally:
            self.watch.excuse(begin, time.monotonic())
            for flow in self.flows:
                flow.resume()

    def _resting(self) -> Books:
        end = time.monotonic() + BALANCE_SECONDS
        before = self.books()
        while time.monotonic() < end:
            time.sleep(REST_SECONDS)
            now = self.books()
            if now == before and not now.waiting:
                return now
            before = now
        raise BenchError(f"{self.name}: the counters did not come to rest in {BALANCE_SECONDS:g} s without traffic")


@contextmanager
def opened(
    name: str, near: Engine, far: Engine, weather: Weather, with_ipv6: Collection[str] = ("near", "far")
) -> Iterator[Line]:
    """A tunnel through which an echo has come back. `with_ipv6`: ends that hear the other over IPv6, too."""
    with ExitStack() as stack:
        hosts = stack.enter_context(topology.laid())
        faces = {side: topology.face(side, has_ipv6=side in with_ipv6) for side in INNER}
        path = stack.enter_context(Path(hosts.path, faces, weather))
        prefixes = {side: (f"{v4}/24", f"{v6}/64") for side, (v4, v6) in INNER.items()}
        ends = End(hosts.near, near, *prefixes["near"]), End(hosts.far, far, *prefixes["far"])
        line = Line(name, hosts, path, *ends, Watch(time.monotonic()))
        introduce(line)
        ping = ["ping", "-n", "-c", "1", "-W", "1", INNER["far"][0]]
        until(lambda: hosts.near.attempt(*ping).returncode == 0, f"an echo through {name}")
        flow(line, stack)
        yield line


def introduce(line: Line) -> None:
    """Only the near end is told where to find the other; that one learns it."""
    address, port = line.path.place("near")
    line.near.set("peer", line.far.keys.public, "allowed-ips", allowed("far"), "endpoint", f"{address}:{port}")
    line.far.set("peer", line.near.keys.public, "allowed-ips", allowed("near"))


def allowed(side: str) -> str:
    """The inner addresses of one end."""
    return f"{INNER[side][0]}/32,{INNER[side][1]}/128"


def flow(line: Line, stack: ExitStack) -> None:
    """Starts the traffic: a stream each way, one over IPv4 and one over IPv6, and echoes."""
    near, far, watch = line.near.host, line.far.host, line.watch
    makers: tuple[Callable[[], Flow], ...] = (
        lambda: Stream("TCP over IPv4, near to far", watch, near, far, INNER["far"][0]),
        lambda: Stream("TCP over IPv6, far to near", watch, far, near, INNER["near"][1]),
        lambda: Echoes("UDP over IPv6, there and back", watch, near, far, INNER["far"][1]),
    )
    for make in makers:
        made = make()
        stack.callback(made.close)
        line.flows.append(made)


def ledgers(name: str, books: Books) -> list[Ledger]:
    """Out and back."""
    made = []
    for sender, receiver, here, there in (
        ("near", "far", books.near, books.far),
        ("far", "near", books.far, books.near),
    ):
        toll, undelivered = books.tolls[sender], books.undelivered[receiver]
        title = f"{name}, {sender} to {receiver}"
        sums = (here.tx_bytes, there.rx_bytes)
        made.append(Ledger(title, *sums, toll, here.send_refused, there.refusals, undelivered))
    return made
