"""`make bench-dataplane`: how fast Warren is beside the others, in one run and interleaved.

Two network namespaces joined by veth, a tunnel of MTU 1420, iperf3 as one TCP stream, reversed, four at once, and UDP.
In each round every engine has its turn, and the figures are medians. The tables go to standard output as Markdown, what
happens meanwhile to standard error. What falls short is said, and is no failure of this program.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import dataplane_tables
import dataplane_targets
import engines
import harness
import machine
import trial
from chart import bar_chart, read_tables
from engines import Absent, Engine, Kind
from figures import Results
from harness import tell
from throughput import CONGESTION, MODES, SINGLE, Mode
from tunnel import MTU


@dataclass(frozen=True, slots=True)
class Options:
    """How long."""

    seconds: int
    rounds: int
    chart: Path | None = None


def main() -> int:
    """0 when it measured, whatever came of it."""
    options = parse_options()
    contestants = harness.prepare(gather)
    show(measure([each for each in contestants if isinstance(each, Engine)], options), contestants, options)
    return 0


def parse_options() -> Options:
    """The command line; its defaults take less than 25 minutes."""
    parser = argparse.ArgumentParser(description="Measures Warren's data plane beside others'.")
    parser.add_argument("--seconds", type=int, default=10, help="of each run (10)")
    parser.add_argument("--rounds", type=int, default=5, help="whose median counts (5)")
    parser.add_argument("--quick", action="store_true", help="one round of 2 seconds, for trying")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the throughputs into FILE, as SVG")
    given = parser.parse_args()
    return Options(2, 1, given.chart) if given.quick else Options(given.seconds, given.rounds, given.chart)


def gather() -> list[Engine | Absent]:
    """Who takes part."""
    ours = engines.warren()
    others = [engines.wireguard_go(), engines.boringtun(), engines.gotatun(), engines.kernel()]
    return [ours, *engines.variants(ours, machine.flags()), *others, engines.floor()]


def modes_of(engine: Engine, number: int) -> tuple[Mode, ...]:
    """What is measured of it in a round: a variant says all in one mode, and the floor in one round."""
    if engine.kind is Kind.FLOOR:
        return MODES if number == 0 else ()
    return (SINGLE,) if engine.variant else MODES


def measure(contestants: list[Engine], options: Options) -> Results:
    """All rounds."""
    results = Results()
    for number in range(options.rounds):
        tell(f"round {number + 1} of {options.rounds}")
        for engine in contestants:
            if modes := modes_of(engine, number):
                results.add(engine.name, trial.carry_out(engine, modes, options.seconds, tell))
    return results


def show(results: Results, contestants: list[Engine | Absent], options: Options) -> None:
    """All tables and verdicts."""
    present = [each for each in contestants if isinstance(each, Engine) and not each.variant]
    versions = [f"{each.name} {each.version}" for each in present if each.version]
    print(f"Data plane, {machine.today()}, `make bench-dataplane` (bench/dataplane.py), tree {machine.commit()}.")
    print(f"{machine.description()}; {', '.join(versions)}; {machine.iperf()}.")
    print(
        f"Two namespaces, veth, tunnel MTU {MTU}, congestion control {CONGESTION}; engines interleaved, "
        f"medians of {options.rounds} x {options.seconds} s (the floor: one round).\n"
    )
    tables = [*dataplane_tables.tables(results, contestants)]
    print(*tables, sep="\n\n", end="\n\n")
    if options.chart:
        options.chart.write_text(bar_chart(read_tables("\n\n".join(tables))))
    for verdict in dataplane_targets.verdicts(results, has_avx512=engines.AEADS["avx512"] in machine.flags()):
        print(verdict)


if __name__ == "__main__":
    sys.exit(main())
