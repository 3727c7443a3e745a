"""`make bench-peers`: what many peers cost Warren, and wireguard-go beside it under the same load.

Ten thousand that never connect: how long they take to load, how much memory each holds. A thousand that are there, with
real handshakes and data from warren-loadgen at the far end of a cable: memory with two sessions each, and throughput on
the TUN's side beside that of one peer. The tables go to standard output as Markdown, what happens meanwhile to standard
error. What falls short is said, and is no failure of this program.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import activity
import engines
import harness
import loadgen
import loading
import machine
import peers_tables
import peers_targets
from activity import BATCHES, MANY, Shape
from contention import Moment
from engines import Absent, Engine
from failure import BenchError
from harness import tell
from loading import PEERS
from rounds import Rounds


@dataclass(frozen=True, slots=True)
class Options:
    """How long."""

    seconds: float
    rounds: int


def main() -> int:
    """0 when it measured, whatever came of it."""
    options = parse_options()
    contestants = harness.prepare(gather)
    show(measure([each for each in contestants if isinstance(each, Engine)], options), contestants, options)
    return 0


def gather() -> list[Engine | Absent]:
    """Who takes part, and the load."""
    loadgen.program()
    return [engines.warren(), engines.wireguard_go()]


def parse_options() -> Options:
    """The command line; its defaults take about six minutes."""
    parser = argparse.ArgumentParser(description="Measures what many peers cost Warren and wireguard-go.")
    parser.add_argument("--seconds", type=float, default=5, help="of each throughput run (5)")
    parser.add_argument("--rounds", type=int, default=3, help="whose median counts (3)")
    parser.add_argument("--quick", action="store_true", help="one round of 1 second, for trying")
    given = parser.parse_args()
    return Options(1, 1) if given.quick else Options(given.seconds, given.rounds)


def measure(contestants: list[Engine], options: Options) -> dict[str, Rounds]:
    """Engines interleaved: each figure of a round is taken of one after the other."""
    results = {engine.name: Rounds() for engine in contestants}
    shapes = [Shape(peers, batch) for batch in BATCHES for peers in (1, MANY)]
    for number in range(options.rounds):
        tell(f"round {number + 1} of {options.rounds}")
        for engine in contestants:
            attempt(engine, results[engine.name], measure_cost)
        for shape in shapes:
            for engine in contestants:
                attempt(engine, results[engine.name], partial(measure_activity, shape, options.seconds))
    return results


def attempt(engine: Engine, rounds: Rounds, work: Callable[[Engine, Rounds], None]) -> None:
    """What cannot be measured is noted."""
    try:
        work(engine, rounds)
    except BenchError as error:
        rounds.failures.append(str(error))
        tell(f"{engine.name:<12} {error}")


def measure_cost(engine: Engine, rounds: Rounds) -> None:
    """Time and memory, once."""
    begin = Moment()
    rounds.loadings.append(loaded := loading.measure(engine))
    tell(f"{engine.name:<12} {PEERS:,} peers: {loaded.set_seconds:.2f} s, {loaded.octets:,.0f} octets each")
    rounds.octets_with_two_sessions.append(octets := activity.octets_with_two_sessions(engine))
    tell(f"{engine.name:<12} two sessions: {octets:,.0f} octets each")
    rounds.foreign_percents.append(begin.until_now().foreign_percent)


def measure_activity(shape: Shape, seconds: float, engine: Engine, rounds: Rounds) -> None:
    """Throughput of one shape, once."""
    run = activity.throughput(engine, shape, seconds)
    rounds.activities.setdefault(shape, []).append(run)
    told = f"{run.gigabits:.2f} of {run.offered_gigabits:.2f} Gb/s, foreign {run.usage.foreign_percent:.0f} %"
    tell(f"{engine.name:<12} {shape.peers:>5,} peers, {shape.batch:>2} at a time: {told}")


def show(results: dict[str, Rounds], contestants: list[Engine | Absent], options: Options) -> None:
    """All tables and verdicts."""
    versions = [f"{each.name} {each.version}" for each in contestants if isinstance(each, Engine)]
    print(f"Many peers, {machine.today()}, `make bench-peers` (bench/peers.py), tree {machine.commit()}.")
    print(f"{machine.description()}; {', '.join(versions)}. Engines interleaved, medians of {options.rounds} rounds.\n")
    for table in peers_tables.tables(results, contestants):
        print(table, end="\n\n")
    for verdict in peers_targets.verdicts(results["Warren"]):
        print(verdict)


if __name__ == "__main__":
    sys.exit(main())
