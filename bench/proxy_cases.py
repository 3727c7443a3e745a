"""One proxy in one case: bytes that arrived, and what they cost the proxy."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

import flowgen
import process
from contention import Moment, Usage
from failure import BenchError
from flowgen import PORT, Dials, Direction, Running
from host import Host, until
from proxies import Started
from proxy_network import CONGESTION, OUTSIDE, Network

WARMING_SECONDS = 0.5
DRAIN_SECONDS = 2.0
"""The longest that a proxy is given for what it still holds of the last case."""
DATAGRAM_DRAIN_SECONDS = 0.3
DATAGRAM_BYTES, DATAGRAM_MEGABITS = 1200, 200.0


class Way(Enum):
    """Where the client of a connection is."""

    OUT = "out"
    """Beside the proxy; the server is in the tunnel."""
    IN = "in"
    """In the tunnel; the server is outside."""


@dataclass(frozen=True, slots=True)
class Case:
    """The flows of a measurement."""

    way: Way
    direction: Direction
    flows: int

    def __str__(self) -> str:
        """Return the name of the case."""
        return f"{self.way.value} {self.direction.value}, {counted(self.flows)}"


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a case."""

    gigabits: float
    """Per second, counted at the receiver."""
    cpu_seconds_per_gigabyte: float | None
    """The cost of the proxy's process; None where next to nothing arrived."""
    peak_bytes: int
    """Resident at most during the case."""
    opened: int
    """Flows of all that were tried."""
    usage: Usage


@dataclass(frozen=True, slots=True)
class DatagramRun:
    """The result of datagrams at a steady rate from `far` to `outside`."""

    megabits: float
    """Received."""
    lost_percent: float
    cpu_seconds_per_gigabyte: float | None
    usage: Usage


def measure_flows(network: Network, proxy: Started, case: Case, seconds: float) -> Run:
    """Run the flows of a case. Raises BenchError if none can be opened."""
    host, target, server = _ends(network, proxy, case.way)
    with flowgen.Client(host, target, CONGESTION, case.direction, case.flows) as client:
        if not client.opened:
            raise BenchError("no flow could be opened")
        receiver = client if case.direction is Direction.DOWN else server
        process.reset_peak(proxy.pid)
        time.sleep(WARMING_SECONDS)
        begin, received, used = Moment(), receiver.counters().total, process.cpu_seconds(proxy.pid)
        time.sleep(seconds)
        usage, took = begin.until_now(), time.monotonic() - begin.seconds
        received, used = receiver.counters().total - received, process.cpu_seconds(proxy.pid) - used
        peak = process.peak_bytes(proxy.pid)
    _drain(server)
    return Run(received * 8e-9 / took, per_gigabyte(used, received), peak, client.opened, usage)


def measure_dials(network: Network, proxy: Started, count: int) -> Dials:
    """Open connections through the proxy one after the other."""
    return flowgen.dial(network.near, proxy.out, CONGESTION, count)


def measure_datagrams(network: Network, proxy: Started, seconds: float) -> DatagramRun:
    """Send datagrams into the exit."""
    server = network.outside_server
    begin, received, used = Moment(), server.counters().datagrams, process.cpu_seconds(proxy.pid)
    address = f"{OUTSIDE}:{PORT}"
    sent = flowgen.send_datagrams(network.far, address, DATAGRAM_MEGABITS, DATAGRAM_BYTES, seconds)
    time.sleep(DATAGRAM_DRAIN_SECONDS)
    usage = begin.until_now()
    received, used = server.counters().datagrams - received, process.cpu_seconds(proxy.pid) - used
    if not received:
        raise BenchError("no datagram arrived")
    size = received * DATAGRAM_BYTES
    return DatagramRun(size * 8e-6 / seconds, 100 * (1 - received / sent), per_gigabyte(used, size), usage)


def counted(flows: int) -> str:
    """Return a number of flows in words."""
    return "1 flow" if flows == 1 else f"{flows:,} flows"


def per_gigabyte(seconds: float, size: int) -> float | None:
    """Return CPU seconds per GB; None of less than a megabyte, whose cost says nothing."""
    return seconds * 1e9 / size if size >= 1_000_000 else None


def _drain(server: Running) -> None:
    with suppress(BenchError):
        until(lambda: server.counters().open == 0, "all flows have ended", DRAIN_SECONDS)


def _ends(network: Network, proxy: Started, way: Way) -> tuple[Host, flowgen.Target, Running]:
    if way is Way.OUT:
        return network.near, proxy.out, network.far_server
    return network.far, proxy.into, network.outside_server
