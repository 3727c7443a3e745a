"""TCP flows over a long path in one scenario: the throughput of each, and what the path dropped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import long_path
import senders
from contention import Moment, Usage
from failure import BenchError
from flowgen import Counters
from long_path import Route
from senders import Sender


@dataclass(frozen=True, slots=True)
class Scenario:
    """Flows that begin at the same time, and their path."""

    route: Route
    senders: tuple[tuple[Sender, int], ...]
    """Each with its number of flows."""
    warming_seconds: float = 2
    times: float = 1
    """The factor by which it is measured longer than others."""


@dataclass(frozen=True, slots=True)
class PathRun:
    """The result of a scenario."""

    megabits: tuple[tuple[float, ...], ...]
    """Received from each flow of each sender, per second."""
    dropped_percent: float
    """The share of all datagrams of this direction for which the queue had no room."""
    usage: Usage

    @property
    def totals(self) -> tuple[float, ...]:
        """Return the sum of each sender."""
        return tuple(map(sum, self.megabits))

    def share_percent(self, index: int) -> float:
        """Return what one sender has of the sum of all."""
        return 100 * self.totals[index] / max(sum(self.totals), 1e-9)


def measure(scenario: Scenario, seconds: float) -> PathRun:
    """Run a scenario. Raises BenchError."""
    with ExitStack() as stack:
        path = stack.enter_context(long_path.opened(scenario.route, "bbr"))
        peers = [stack.enter_context(senders.sending(path, sender, flows)) for sender, flows in scenario.senders]
        time.sleep(scenario.warming_seconds)
        begin, before, relayed = Moment(), path.server.counters(), path.relay.report()["up"]
        time.sleep(seconds * scenario.times)
        usage, took = begin.until_now(), time.monotonic() - begin.seconds
        after, relayed_after = path.server.counters(), path.relay.report()["up"]
        sent, dropped = (relayed_after[field] - relayed[field] for field in ("sent", "dropped"))
    rates = tuple(rates_of(each, before, after, took) for each in peers)
    return PathRun(rates, 100 * dropped / max(sent, 1), usage)


def measure_receiver(route: Route, *, is_own: bool, seconds: int) -> float:
    """Return the Mb/s that a flow from the server, a kernel with BBR, brings to `near`."""
    with long_path.opened(route, "bbr") as path:
        return senders.received_bytes(path, is_own=is_own, seconds=seconds) * 8e-6 / seconds


def rates_of(peers: Sequence[str], before: Counters, after: Counters, seconds: float) -> tuple[float, ...]:
    """Return the Mb/s of each peer between two moments. Raises BenchError if a flow has ended."""
    if ended := [peer for peer in peers if peer not in after.by_peer]:
        raise BenchError(f"the flow from {ended[0]} has ended")
    return tuple((after.by_peer[peer] - before.by_peer[peer]) * 8e-6 / seconds for peer in peers)


def jain_index(values: Sequence[float]) -> float:
    """Return Jain's fairness index: 1 where all are equal, 1/n where one has everything."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


def evenness(values: Sequence[float]) -> float:
    """Return the least divided by the most."""
    return min(values) / max(values) if max(values) else 0.0
