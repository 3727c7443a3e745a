"""`make bench-tcp`: Gb/s that one core moves from a TCP connection to another in memory, crate `tcp` and smoltcp.

Both ends are in one thread and counted. The contestants take turns of half a second, so that what disturbs the machine
disturbs all of them; medians and their ratio count. The program is rust/smoltcp/examples/speed.rs.
"""

from __future__ import annotations

import argparse
import os
import sys
from statistics import median

import machine
from cargo_example import run_example
from failure import BenchError
from markdown import number, table
from verdict import Verdict, at_least

PROGRAM = ("rust/smoltcp/Cargo.toml", "--example", "speed")
PEER = "smoltcp, CUBIC"
OWN = ("tcp, BBR", "tcp, CUBIC")

Measured = dict[str, list[float]]
"""Gb/s of each turn, by contestant."""


def main() -> int:
    """0 when it measured, whatever came of it."""
    parser = argparse.ArgumentParser(description="Measures TCP in memory against smoltcp.")
    parser.add_argument("--turns", type=int, default=11, help="turns of each contestant (11)")
    parser.add_argument("--quick", action="store_true", help="3 turns, for a trial")
    arguments = parser.parse_args()
    try:
        show(measured(run_example(*PROGRAM, "--", str(3 if arguments.quick else arguments.turns))))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def measured(lines: str) -> Measured:
    """Read the program's lines."""
    figures: Measured = {}
    for line in lines.splitlines():
        name, rate = line.split("\t")
        figures.setdefault(name, []).append(float(rate))
    return figures


def show(figures: Measured) -> None:
    """Print the table and the verdicts."""
    print(f"TCP in memory, {machine.today()}, `make bench-tcp` (bench/tcp.py), tree {machine.commit()}.")
    print(f"{machine.description()}, load {os.getloadavg()[0]:.1f}; medians of {len(figures[PEER])} turns.\n")
    peer = median(figures[PEER])
    rows = [
        [name, number(median(rates)), number(min(rates)), number(max(rates)), f"{median(rates) / peer:.2f} x"]
        for name, rates in figures.items()
    ]
    print(table(["", "Gb/s of one core, both ends", "least", "most", "to smoltcp"], rows), end="\n\n")
    print(*verdicts(figures), sep="\n")


def verdicts(figures: Measured) -> list[Verdict]:
    """Judge each algorithm by its ratio to smoltcp."""
    peer = median(figures[PEER])
    return [at_least(f"{name} is as fast as smoltcp", median(figures[name]) / peer, 1.0, "x") for name in OWN]


if __name__ == "__main__":
    sys.exit(main())
