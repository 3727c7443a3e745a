"""`make bench-aead`: nanoseconds for each packet, sealed and opened, on each path of this CPU, ring's beside them.

One thread, packets of one length in one buffer, as a batch from GSO is. The paths take turns in short runs, thousands
of times: the least is what a path takes when nobody disturbs it, and how far the median is above it says how much
others did. The tables go to standard output as Markdown.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

import machine
from engines import TREE
from failure import BenchError
from markdown import number, table

BUILD_AND_RUN_SECONDS = 1800
BESIDE = "ring"
# The figure of the specification: a full segment of an MTU of 1420, in full groups of sixteen.
TOLD = (1420, 16)


@dataclass(frozen=True, slots=True)
class Times:
    """Of one path, nanoseconds for each packet."""

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
        show(measured(run(parser.parse_args().turns)))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(turns: int) -> str:
    """What the program prints that does the work."""
    manifest = ["--manifest-path", str(TREE / "rust" / "Cargo.toml"), "--package", "warren-aead"]
    command = ["cargo", "run", "--quiet", "--release", "--locked", *manifest, "--example", "speed", "--", str(turns)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=BUILD_AND_RUN_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{' '.join(command)}: {error}") from None
    return done.stdout


def measured(lines: str) -> Measured:
    """The program's lines, read."""
    figures: Measured = {}
    for line in lines.splitlines():
        path, octets, packets, *times = line.split("\t")
        figures.setdefault((int(octets), int(packets)), {})[path] = Times(*map(float, times))
    return figures


def show(figures: Measured) -> None:
    """Both tables, and what they come to."""
    print(f"ChaCha20-Poly1305, {machine.today()}, `make bench-aead` (bench/aead.py), tree {machine.commit()}.")
    print(f"{machine.description()}, load {os.getloadavg()[0]:.1f}.")
    print("Nanoseconds for each packet, the least of many runs, and how many times as fast as ring that is.\n")
    print("Sealed:\n", times_table(figures, "sealed"), sep="\n", end="\n\n")
    print("Opened:\n", times_table(figures, "opened"), sep="\n", end="\n\n")
    factors = [times.disturbance for paths in figures.values() for times in paths.values()]
    print(f"Medians are {median(factors):.2f} times as long, as a rule; {max(factors):.2f} times at the most.")
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
    """Nanoseconds, and how many times as fast as ring."""
    time, beside = getattr(each[path], what), getattr(each[BESIDE], what)
    return number(time, 0) if path == BESIDE else f"{number(time, 0)} ({beside / time:.2f} x)"


if __name__ == "__main__":
    sys.exit(main())
