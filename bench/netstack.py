"""`make bench-netstack`: Warren's network stack beside other proxies that need no TUN, in one run and interleaved.

Three namespaces joined by veth, a tunnel of MTU 1420, TCP flows of warren-flowgen through the proxy and back. In each
round all proxies run, and each case is measured of one after the other; the figures are medians of the rounds. Bytes
count where they are received. The tables go to standard output as Markdown, progress to standard error. A target that
is missed is reported, and is not a failure of this program.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import flowgen
import harness
import machine
import netstack_tables
import netstack_targets
import process
import proxies
import proxy_cases
import proxy_network
from engines import Absent
from failure import BenchError
from flowgen import Direction
from harness import tell
from host import until
from netstack_results import ProxyResults, Results
from proxies import Proxy, Started
from proxy_cases import Case, Way
from proxy_network import CONGESTION, INNER_MTU, Network

FLOWS = (1, 10, 100, 1000)
DIALS = 200
SETTLING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """The length of the bench."""

    seconds: float
    rounds: int
    flows: tuple[int, ...]


@dataclass(slots=True)
class Contestant:
    """A proxy in a round, and where its results go."""

    name: str
    network: Network
    started: Started
    results: ProxyResults


def main() -> int:
    """Return 0 when it measured, met or not."""
    options = parse_options()
    contestants = harness.prepare(gather)
    raise_file_limit()
    results = measure([each for each in contestants if isinstance(each, Proxy)], options)
    show(results, contestants, options)
    return 0


def parse_options() -> Options:
    """Read the command line; its defaults take less than 25 minutes."""
    parser = argparse.ArgumentParser(description="Measures Warren's network stack beside other proxies.")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each case (1.5)")
    parser.add_argument("--rounds", type=int, default=5, help="whose median counts (5)")
    parser.add_argument("--quick", action="store_true", help="one round of 1 second with few flows, for a trial")
    given = parser.parse_args()
    return Options(1, 1, (1, 10, 100)) if given.quick else Options(given.seconds, given.rounds, FLOWS)


def gather() -> list[Proxy | Absent]:
    """Build every program that takes part."""
    flowgen.program()
    proxies.warren_program()
    return proxies.all_proxies()


def raise_file_limit() -> None:
    """Let every program of the bench have a descriptor for each of a thousand flows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def measure(contestants: list[Proxy], options: Options) -> Results:
    """Measure all rounds."""
    results = {proxy.name: ProxyResults() for proxy in contestants}
    for number in range(options.rounds):
        tell(f"round {number + 1} of {options.rounds}")
        with ExitStack() as stack:
            running = list(start_all(contestants, results, stack))
            for what, work in works(options):
                for contestant in running:
                    attempt(contestant, what, work)
    return results


def start_all(contestants: list[Proxy], results: Results, stack: ExitStack) -> Iterator[Contestant]:
    """Yield every proxy that starts and opens a connection."""
    for proxy in contestants:
        try:
            network = stack.enter_context(proxy_network.connected())
            started = proxy.start(network)
            until(lambda: _dials(network, started), f"a connection through {proxy.name}")  # noqa: B023 - called here
        except BenchError as error:
            results[proxy.name].failures["start"] = str(error)
            tell(f"{proxy.name:<12} {error}")
            continue
        yield Contestant(proxy.name, network, started, results[proxy.name])


def works(options: Options) -> Iterator[tuple[str, Callable[[Contestant], str]]]:
    """Yield the name of each measurement of a round, and what does it and describes its result."""
    yield "idle", measure_idle
    # Some proxies serve nobody for a while after a thousand flows, so these come first.
    yield "dials", measure_dials
    yield "datagrams", partial(measure_datagrams, 2 * options.seconds)
    for flows in options.flows:
        for way in Way:
            for direction in Direction:
                case = Case(way, direction, flows)
                yield str(case), partial(measure_case, case, options.seconds)


def attempt(contestant: Contestant, what: str, work: Callable[[Contestant], str]) -> None:
    """Note what cannot be measured. It is not tried again in later rounds, for it may take long to fail."""
    if what in contestant.results.failures:
        return
    try:
        tell(f"{contestant.name:<12} {what}: {work(contestant)}")
    except (BenchError, OSError) as error:
        contestant.results.failures[what] = str(error)
        tell(f"{contestant.name:<12} {what}: {error}")


def measure_idle(contestant: Contestant) -> str:
    """Measure the memory of a proxy that has nothing to do."""
    time.sleep(SETTLING_SECONDS)
    size = process.resident_bytes(contestant.started.pid)
    contestant.results.idle_bytes.append(size)
    return f"{size / 1e6:.0f} MB"


def measure_case(case: Case, seconds: float, contestant: Contestant) -> str:
    """Measure a case once. What failed with fewer flows is not tried with more."""
    if contestant.results.has_failed_with_fewer(case, FLOWS):
        raise BenchError("it failed with fewer flows")
    run = proxy_cases.measure_flows(contestant.network, contestant.started, case, seconds)
    contestant.results.runs.setdefault(case, []).append(run)
    cost = run.cpu_seconds_per_gigabyte
    told = "" if cost is None else f", {cost:.2f} CPU-s/GB"
    return f"{run.gigabits:.3f} Gb/s{told}, {run.peak_bytes / 1e6:.0f} MB, foreign {run.usage.foreign_percent:.0f} %"


def measure_dials(contestant: Contestant) -> str:
    """Measure how fast connections are opened."""
    dials = proxy_cases.measure_dials(contestant.network, contestant.started, DIALS)
    contestant.results.dials.append(dials)
    return f"{dials.per_second:.0f}/s"


def measure_datagrams(seconds: float, contestant: Contestant) -> str:
    """Measure UDP, of a proxy that forwards it."""
    if not contestant.started.forwards_datagrams:
        raise BenchError("it forwards no UDP to other hosts")
    run = proxy_cases.measure_datagrams(contestant.network, contestant.started, seconds)
    contestant.results.datagrams.append(run)
    return f"{run.megabits:.0f} Mb/s, lost {run.lost_percent:.1f} %"


def show(results: Results, contestants: list[Proxy | Absent], options: Options) -> None:
    """Print all tables and verdicts."""
    versions = [f"{each.name} {each.version}" for each in contestants if isinstance(each, Proxy)]
    print(f"Network stack, {machine.today()}, `make bench-netstack` (bench/netstack.py), tree {machine.commit()}.")
    print(f"{machine.description()}, load {os.getloadavg()[0]:.1f}; {', '.join(versions)}.")
    print(
        f"Three namespaces, veth, tunnel MTU {INNER_MTU}, congestion control {CONGESTION} on the bench's sockets; "
        f"proxies interleaved case by case, medians of {options.rounds} x {options.seconds:g} s.\n"
    )
    for table in netstack_tables.tables(results, contestants, options.flows):
        print(table, end="\n\n")
    for verdict in netstack_targets.verdicts(results):
        print(verdict)


def _dials(network: Network, started: Started) -> bool:
    hosts = ((network.near, started.out), (network.far, started.into))
    return any(flowgen.dial(host, target, CONGESTION, 1).times for host, target in hosts)


if __name__ == "__main__":
    sys.exit(main())
