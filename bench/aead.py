"""`make bench-aead`: nanoseconds for each packet, sealed and opened, on each path of this CPU, ring's beside them.

One thread, packets of one length in one buffer, as a batch from GSO is. The paths take turns in short runs, thousands
of times: the least is what a path takes when nobody disturbs it, and how far the median is above it says how much
others did. The tables go to standard output as Markdown.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from statistics import median

import machine
from cargo_example import run_example
from failure import BenchError
from markdown import number, table

PROGRAM = ("rust/Cargo.toml", "--package", "warren-aead", "--example", "speed")
BESIDE = "ring"
# The figure of the specification: a full segment of an MTU of 1420, in full groups of sixteen.
TOLD = (1420, 16)


@dataclass(frozen=True, slots=True)
class Times:
    """Of one path, nanoseconds for each packet."""

    groups: tuple[int, ...]
    """Packets processed in lockstep, group by group; 1 is one by ring."""
    sealed: float
    sealed_median: float
    opened: float
    opened_median: float

    @property
    def disturbance(self) -> float:
        """How far medians are above what is least, as a factor."""
        return max(self.sealed_median / self.sealed, self.opened_median / self.opened)


Measured = dict[tuple[int, int], dict[str, Times]]
"""By octets and packets, then by path, the fastest first."""


def main() -> int:
    """0 when it measured, whatever came of it."""
    parser = argparse.ArgumentParser(description="Times ChaCha20-Poly1305 on each path of this CPU.")
    parser.add_argument("--turns", type=int, default=2000, help="runs of each path at each length and count (2000)")
    try:
        show(measured(run_example(*PROGRAM, "--", str(parser.parse_args().turns))))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def measured(lines: str) -> Measured:
    """The program's lines, read."""
    figures: Measured = {}
    for line in lines.splitlines():
        path, octets, packets, groups, *times = line.split("\t")
        chosen = tuple(map(int, groups.split()))
        figures.setdefault((int(octets), int(packets)), {})[path] = Times(chosen, *map(float, times))
    return figures


def show(figures: Measured) -> None:
    """Both tables, and what they come to."""
    print(f"ChaCha20-Poly1305, {machine.today()}, `make bench-aead` (bench/aead.py), tree {machine.commit()}.")
    print(f"{machine.description()}, load {os.getloadavg()[0]:.1f}.")
    print("Nanoseconds for each packet, the least of many runs, and how many times as fast as ring that is.")
    print("In brackets the packets processed in lockstep, group by group; the others are ring's.\n")
    print("Sealed:\n", times_table(figures, "sealed"), sep="\n", end="\n\n")
    print("Opened:\n", times_table(figures, "opened"), sep="\n", end="\n\n")
    factors = [times.disturbance for paths in figures.values() for times in paths.values()]
    print(f"Medians are {median(factors):.2f} times as long, as a rule; {max(factors):.2f} times at the most.")
    print(*(slowest(figures, path) for path in figures[TOLD] if path != BESIDE), sep="\n")
    for path, times in figures[TOLD].items():
        print(f"{TOLD[0]} octets, {TOLD[1]} packets, {path}: {times.sealed:.0f} sealed, {times.opened:.0f} opened.")


def times_table(figures: Measured, what: str) -> str:
    """A row for each length and count, a column for each path."""
    paths = list(figures[TOLD])
    rows = [
        [f"{octets:,}", str(packets), *(cell(each, path, what) for path in paths)]
        for (octets, packets), each in figures.items()
    ]
    return table(["octets", "packets", *paths], rows)


def cell(each: dict[str, Times], path: str, what: str) -> str:
    """Nanoseconds, how many times as fast as ring, and the choice made."""
    time = getattr(each[path], what)
    return (
        number(time, 0)
        if path == BESIDE
        else f"{number(time, 0)} ({ratio(each, path, what):.2f} x) {choice(each[path])}"
    )


def ratio(each: dict[str, Times], path: str, what: str) -> float:
    """How many times as fast as ring."""
    beside, time = getattr(each[BESIDE], what), getattr(each[path], what)
    return float(beside / time)


def choice(times: Times) -> str:
    """The groups in lockstep, such as [3*16]."""
    counts = {lanes: times.groups.count(lanes) for lanes in (16, 8, 4)}
    written = [str(lanes) if count == 1 else f"{count}*{lanes}" for lanes, count in counts.items() if count]
    return f"[{' '.join(written) or 'ring'}]"


def slowest(figures: Measured, path: str) -> str:
    """Where a path is slowest beside ring, of all batches of which some packets are in lockstep."""
    ratios = [
        (ratio(each, path, what), octets, packets, what)
        for (octets, packets), each in figures.items()
        for what in ("sealed", "opened")
        if max(each[path].groups) > 1
    ]
    least, octets, packets, what = min(ratios)
    return f"{path} in lockstep, at the least: {least:.2f} x ring ({packets} packets of {octets:,} octets, {what})."


if __name__ == "__main__":
    sys.exit(main())
