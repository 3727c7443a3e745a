"""`make bench-commands`: what signed commands cost, each beside the floor under it.

Durable executions a second without a process of their own, in this process and by a whole agent, beside the disk's own
fsync; commands verified and audit lines appended a second; and what a program costs at each level of sandbox. The
contestants of a round take turns, and medians count. The tables go to standard output as Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import durable
import end_to_end
import in_process
import machine
import spawn
import verifying
from end_to_end import CLIENTS, Outside
from failure import BenchError
from fixtures import CHANGES, READS
from harness import tell
from in_process import AT_ONCE, Inside
from markdown import number, table
from verdict import Verdict, at_least, at_most

MIB = 1 << 20
WANTED = 500  # executions a second, of issue and requirement
LATENCIES = 100  # commands of a round, one after another
ONE_SYNC, GROUPED = "the disk alone, each synced by itself", f"the disk alone, {AT_ONCE} synced together"
HERE_READS, HERE_CHANGES = f"in one process, {READS}", f"in one process, {CHANGES}"
STORE, LINES = "single use alone, no verb", "audit lines, each told of when it is on the disk"
AGENT = f"a whole agent, {CLIENTS} clients, {CHANGES}"


@dataclass(slots=True)
class Results:
    """All that was measured, one figure for each round."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    fsync: list[durable.Fsync] = field(default_factory=list)
    latencies: dict[str, list[in_process.Latencies]] = field(default_factory=dict)
    verified: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: list[float] = field(default_factory=list)
    """Of the agent, for each execution."""
    resident_mib: list[float] = field(default_factory=list)
    """Of the agent: before its first command, and after its last."""
    octets: int = 0
    no_agent: str = ""
    """Why no whole agent was measured."""

    def add(self, name: str, rate: float) -> None:
        """Of one round."""
        self.rates.setdefault(name, []).append(rate)


def main() -> int:
    """0 when it measured, whatever came of it."""
    parser = argparse.ArgumentParser(description="Measures what signed commands cost.")
    parser.add_argument("--rounds", type=int, default=10, help="whose median counts (10)")
    parser.add_argument("--seconds", type=float, default=2, help="of each contestant in a round (2)")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to be measured (where it is run)")
    parser.add_argument("--quick", action="store_true", help="one round of half a second, for trying")
    given = parser.parse_args()
    rounds, seconds = (1, 0.5) if given.quick else (given.rounds, given.seconds)
    try:
        results = measure(given.directory.resolve(), rounds, seconds)
        spawned = spawn.measure(1 if given.quick else 2 * rounds)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    show(results, spawned, rounds)
    return 0


def measure(directory: Path, rounds: int, seconds: float) -> Results:
    """The rounds, on the disk of `directory`."""
    results = Results()
    with ExitStack() as stack:
        own, others = (stack.enter_context(place(directory)) for _ in range(2))
        agent = start_agent(others, directory, results, stack)
        asyncio.run(take_turns(own, agent, results, rounds, seconds))
        if agent is not None:
            results.resident_mib.append(agent.resident_bytes() / MIB)
    return results


def start_agent(place: Path, directory: Path, results: Results, stack: ExitStack) -> Outside | None:
    """None where there cannot be one."""
    try:
        end_to_end.check_place(directory)
    except BenchError as error:
        results.no_agent = str(error)
        return None
    agent = stack.enter_context(end_to_end.started(place))
    results.resident_mib.append(agent.resident_bytes() / MIB)
    return agent


async def take_turns(directory: Path, agent: Outside | None, results: Results, rounds: int, seconds: float) -> None:
    """One after another, round by round."""
    async with in_process.opened(directory / "inside") as here:
        for turn in range(rounds):
            tell(f"round {turn + 1} of {rounds}")
            results.fsync.append(durable.fsync(directory, seconds / 2))
            await measure_here(here, results, seconds)
            measure_disk(directory, here, results, seconds / 2)
            await measure_store(directory / f"store-{turn}", results, seconds / 2)
            if agent is not None:
                measure_agent(agent, results, seconds)
            for name, rate in verifying.verifications(1).items():
                results.verified.setdefault(name, []).append(rate)


async def measure_here(here: Inside, results: Results, seconds: float) -> None:
    """The whole of it, in this process."""
    for name, verb in ((HERE_READS, READS), (HERE_CHANGES, CHANGES)):
        results.add(name, await here.rate(verb, seconds))
        results.latencies.setdefault(name, []).append(await here.latencies(verb, LATENCIES))


def measure_disk(directory: Path, here: Inside, results: Results, seconds: float) -> None:
    """The floor."""
    results.octets = here.octets_of_one()
    results.add(ONE_SYNC, in_process.bare(directory, results.octets, seconds))
    results.add(GROUPED, in_process.bare(directory, results.octets, seconds, AT_ONCE))


async def measure_store(directory: Path, results: Results, seconds: float) -> None:
    """Its parts."""
    parts = await durable.durable(directory, seconds)
    results.add(STORE, parts.executions_per_second)
    results.add(LINES, parts.appends_per_second)


def measure_agent(agent: Outside, results: Results, seconds: float) -> None:
    """From outside."""
    load = agent.load(CHANGES, seconds)
    results.add(AGENT, load.rate)
    results.cpu_ms.append(load.cpu_ms)


@contextmanager
def place(directory: Path) -> Iterator[Path]:
    """A directory of its own, which another user may pass through."""
    with TemporaryDirectory(dir=directory, prefix="bench-commands-") as name:
        Path(name).chmod(0o711)
        (Path(name) / "inside").mkdir()
        yield Path(name)


def show(results: Results, spawned: dict[str, spawn.Figures], rounds: int) -> None:
    """The tables and the verdicts."""
    print(f"Signed commands, {machine.today()}, `make bench-commands` (bench/commands.py), tree {machine.commit()}.")
    print(f"{machine.description()}, load {os.getloadavg()[0]:.1f}; medians of {rounds} rounds.\n")
    print(table(["executions", "a second", "of the disk alone", "p50, ms", "p99, ms", ""], list(rows(results))))
    print(
        f"\nOf one execution {results.octets:,} octets stay on the disk, "
        f"synced twice. fsync of 700 octets: p50 {middle([each.p50_ms for each in results.fsync])} ms, "
        f"p99 {middle([each.p99_ms for each in results.fsync])} ms. p50 and p99: one after another.\n"
    )
    if results.no_agent:
        print(f"No whole agent: {results.no_agent}.\n")
    floor = median(results.verified[verifying.FLOOR])
    verified = [[name, number(median(each), 0), number(median(each) / floor), ""] for name, each in _sorted(results)]
    print(table(["verified", "a second of a processor", "of the signatures alone", ""], verified), end="\n\n")
    spawn.show(spawned)
    print()
    for verdict in verdicts(results):
        print(verdict)


def rows(results: Results) -> Iterator[list[str]]:
    """Of the first table."""
    floor = median(results.rates[ONE_SYNC])
    for name, rates in results.rates.items():
        times = results.latencies.get(name, [])
        p50, p99 = ([each.p50_ms for each in times], [each.p99_ms for each in times])
        yield [name, number(median(rates), 0), number(median(rates) / floor), middle(p50), middle(p99), ""]


def verdicts(results: Results) -> Iterator[Verdict]:
    """What it must keep to."""
    rates = {name: median(each) for name, each in results.rates.items()}
    for name in (HERE_READS, HERE_CHANGES, AGENT):
        yield at_least(f"{WANTED} durable executions a second, {name}", rates.get(name), WANTED, "a second")
    cpu = median(results.cpu_ms) if results.cpu_ms else None
    yield at_most(f"an agent's processor time leaves room for {WANTED} a second", cpu, 1000 / WANTED, "ms each")
    for when, resident in zip(("before its first command", "after its last"), results.resident_mib, strict=False):
        yield at_most(f"aim: an agent that takes commands at most 45 MiB resident, {when}", resident, 45, "MiB")


def middle(values: list[float]) -> str:
    """The median as text."""
    return number(median(values) if values else None)


def _sorted(results: Results) -> list[tuple[str, list[float]]]:
    return sorted(results.verified.items(), key=lambda each: -median(each[1]))


if __name__ == "__main__":
    sys.exit(main())
