"""`make bench-paths`: crate `tcp` beside the kernel's TCP over a path of 50 ms and 200 Mb/s.

The path is a relay for the datagrams of a tunnel, with a queue, a delay and losses, because kernels without netem have
no other. A connection of the crate runs in a program behind a TUN of its own; its packets go through the same tunnel as
the kernel's. Scenarios of one figure follow each other in a round. Bytes count at the far end. The tables go to
standard output as Markdown, progress to standard error. A target that is missed is reported, and is not a failure of
this program.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass

import flowgen
import harness
import machine
import path_scenarios
import path_tables
import path_targets
import path_trial
import senders
from contention import DISTURBING
from failure import BenchError
from harness import tell
from long_path import Route
from path_results import PathResults
from path_scenarios import RECEIVER_ROUTE
from path_trial import Scenario


@dataclass(frozen=True, slots=True)
class Options:
    """The length of the bench."""

    seconds: int
    rounds: int
    scenarios: list[Scenario]


def main() -> int:
    """Return 0 when it measured, met or not."""
    options = parse_options()
    harness.prepare(lambda: (flowgen.program(), senders.program()))
    results = PathResults()
    for number in range(options.rounds):
        tell(f"round {number + 1} of {options.rounds}")
        measure_round(results, options)
    show(results, options)
    return 0


def parse_options() -> Options:
    """Read the command line; its defaults take less than 25 minutes."""
    parser = argparse.ArgumentParser(description="Measures crate tcp beside the kernel's TCP over a long path.")
    parser.add_argument("--seconds", type=int, default=8, help="of each scenario (8)")
    parser.add_argument("--rounds", type=int, default=2, help="whose median counts (2)")
    parser.add_argument("--quick", action="store_true", help="one round of 5 seconds with few scenarios, for a trial")
    given = parser.parse_args()
    if given.quick:
        return Options(5, 1, path_scenarios.quick_scenarios())
    return Options(given.seconds, given.rounds, path_scenarios.all_scenarios())


def measure_round(results: PathResults, options: Options) -> None:
    """Measure every scenario once, and note what cannot be measured."""
    for scenario in options.scenarios:
        names = " beside ".join(f"{flows} x {sender}" for sender, flows in scenario.senders)
        what = f"{names}, loss {scenario.route.loss_percent:g} %, queue {scenario.route.queue_in_bdp:g} BDP"
        try:
            run = path_trial.measure(scenario, options.seconds)
        except BenchError as error:
            results.failures[scenario] = str(error)
            tell(f"{what}: {error}")
            continue
        results.runs.setdefault(scenario, []).append(run)
        rates = " + ".join(f"{total:.0f}" for total in run.totals)
        tell(f"{what}: {rates} Mb/s, dropped {run.dropped_percent:.2f} %, foreign {run.usage.foreign_percent:.0f} %")
    for is_own in (True, False):
        try:
            rate = path_trial.measure_receiver(RECEIVER_ROUTE, is_own=is_own, seconds=options.seconds)
        except BenchError as error:
            tell(f"receiver: {error}")
            continue
        results.receivers.setdefault(is_own, []).append(rate)
        tell(f"receiver {'tcp' if is_own else 'kernel'}: {rate:.0f} Mb/s")


def show(results: PathResults, options: Options) -> None:
    """Print all tables and verdicts."""
    route = Route()
    print(f"Long path, {machine.today()}, `make bench-paths` (bench/paths.py), tree {machine.commit()}.")
    print(f"{machine.description()}, load {os.getloadavg()[0]:.1f}.")
    disturbed = results.disturbance()
    busy = f"; other processes took more than {DISTURBING:g} % of the machine: {disturbed}" if disturbed else ""
    print(
        f"{route.megabits:g} Mb/s, {route.round_trip_ms:g} ms there and back, queue {route.queue_ms:g} ms unless "
        f"another is named; medians of {options.rounds} x {options.seconds} s{busy}.\n"
    )
    for table in path_tables.tables(results):
        print(table, end="\n\n")
    for verdict in path_targets.verdicts(results):
        print(verdict)


if __name__ == "__main__":
    sys.exit(main())
