"""Runs the soak, prints what came of it, and fails if something that must be true is not."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import machine
from engines import TREE, Absent, warren, wireguard_go
from failure import BenchError
from soak import criteria, report
from soak.end import library_engine
from soak.run import Course, Outcome, Pace, run

DOCUMENT = TREE / "docs" / "benchmarks" / "soak.md"


def main(arguments: list[str] | None = None) -> int:
    """0 if every verdict is met; 1 if one is missed, 2 if it could not be run."""
    asked = parser().parse_args(arguments)
    began = f"{machine.today()}, commit {machine.commit()}"  # the tree may be another one when it ends
    try:
        outcomes = soak(courses(), Pace.of(asked.seconds))
    except BenchError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    verdicts = [verdict for outcome in outcomes for verdict in criteria.verdicts(outcome, asked.seconds)]
    text = report.document(outcomes, verdicts, asked.seconds, began)
    print(text)
    if asked.write:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(f"{text}\n")
    return int(any(verdict.is_met is False for verdict in verdicts))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="soak", description=__doc__)
    made.add_argument("--seconds", type=float, default=3600.0, help="how long (3600)")
    made.add_argument("--write", action="store_true", help=f"also write {DOCUMENT.relative_to(TREE)}")
    return made


def courses() -> list[Course]:
    """Warren in a process of Python with itself, and the daemon with the newest wireguard-go where that can be had."""
    daemon, other = warren(), wireguard_go()
    library = library_engine(daemon.version)
    if isinstance(other, Absent):
        print(f"{other.name}: {other.reason}; the daemon's far end is its own kind", file=sys.stderr)
        other = replace(daemon)
    return [Course.telling(library, library), Course.silent(replace(daemon, name="Warren, daemon"), other)]


def soak(all_courses: list[Course], pace: Pace) -> list[Outcome]:
    """All at once."""
    with ThreadPoolExecutor(len(all_courses)) as threads:
        running = [threads.submit(run, course, pace, tell) for course in all_courses]
        return [each.result() for each in running]


def tell(line: str) -> None:
    """To whoever watches."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
