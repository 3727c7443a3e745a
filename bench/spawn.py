"""`make bench-spawn`: what it costs to run /bin/true as a program of a command, at each level of sandbox.

Milliseconds from the call to the end of it, by asyncio alone and by `ProgramRunner` with all that belongs to it: a user
claimed, the sandbox started, its level reached and told, the program run, everything gone. Each contestant is a process
that waits for its turn; they take turns a few spawns at a time. The least is what it takes when nobody disturbs it: on
a busy host each of a sandbox's processes waits for the processor anew. The table goes to standard output as Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import machine
from failure import BenchError
from markdown import number, table
from warren.commands.effects.programs import RunProgram
from warren.commands.handlers.program_runner import ProgramRunner
from warren.commands.settings import SandboxSettings, ScriptSettings

PROGRAM = "/bin/true"
AGENT_USER = "warren"
SPAWNS = 10  # of a turn
TIMEOUT_SECONDS = 60.0
BARE = "asyncio alone"


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who spawns, and how."""

    is_sandboxed: bool = True
    network: bool = True
    before: tuple[str, ...] = ()
    """A command line that takes something away from it."""


CONTESTANTS = {
    BARE: Contestant(is_sandboxed=False),
    "root": Contestant(),
    "root, a program without network": Contestant(network=False),
    "root without namespaces": Contestant(before=("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")),
}


def main() -> int:
    """0 when it measured, whatever came of it."""
    parser = argparse.ArgumentParser(description="Times spawns at each level of sandbox.")
    parser.add_argument("--turns", type=int, default=20, help=f"of each contestant, {SPAWNS} spawns each (20)")
    parser.add_argument("--quick", action="store_true", help="two turns, for trying")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.worker is not None:
            work(CONTESTANTS[given.worker])
        else:
            show(measure(2 if given.quick else given.turns))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one contestant: in a turn, or in all."""

    level: str
    seconds: list[float]


def measure(turns: int) -> dict[str, Figures]:
    """All of them, in turns."""
    if os.geteuid() != 0:
        raise BenchError("run it as root: no other user runs programs")
    workers = {name: start(name, contestant) for name, contestant in CONTESTANTS.items()}
    try:
        # The first turn shows the level, and does not count.
        figures = {name: Figures(ask(worker).level, []) for name, worker in workers.items()}
        for _ in range(turns):
            for name, worker in workers.items():
                figures[name].seconds.extend(ask(worker).seconds)
        return figures
    finally:
        for worker in workers.values():
            worker.communicate()


def start(name: str, contestant: Contestant) -> subprocess.Popen[str]:
    """A process that waits for its turn."""
    command = [*contestant.before, sys.executable, __file__, "--worker", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(worker: subprocess.Popen[str]) -> Figures:
    """What a turn took."""
    if worker.stdin is None or worker.stdout is None:
        raise BenchError("a contestant has no streams")
    print(file=worker.stdin, flush=True)
    if not (line := worker.stdout.readline()):
        raise BenchError("a contestant has ended")
    return Figures(**json.loads(line))


def work(contestant: Contestant) -> None:
    """A contestant's life: a turn for each line that comes."""
    with workplace() as directory:
        settings = SandboxSettings(min_level="L0", network=contestant.network)
        programs = ProgramRunner(settings, ScriptSettings(), directory, AGENT_USER)
        asyncio.run(take_turns((lambda: sandboxed(programs)) if contestant.is_sandboxed else bare))


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory where programs may work."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


async def take_turns(spawn: Callable[[], Awaitable[str]]) -> None:
    """Until nobody asks any more."""
    while await asyncio.to_thread(sys.stdin.readline):
        seconds, level = [], ""
        for _ in range(SPAWNS):
            begin = time.perf_counter()
            level = await spawn()
            seconds.append(time.perf_counter() - begin)
        print(json.dumps({"level": level, "seconds": seconds}), flush=True)


async def bare() -> str:
    """Without anything."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await process.communicate()
    return "none"


async def sandboxed(programs: ProgramRunner) -> str:
    """As a command has it."""
    effect = RunProgram((PROGRAM,))
    done = await programs.run(effect, deadline_seconds=TIMEOUT_SECONDS, min_level="L0", pinned={})
    return done.level


def show(figures: dict[str, Figures]) -> None:
    """The table."""
    print(f"Spawn and wait, {machine.today()}, `make bench-spawn` (bench/spawn.py), tree {machine.commit()}.")
    print(f"{machine.description()}, load {os.getloadavg()[0]:.1f}.\n")
    beside = figures[BARE].seconds
    rows = [
        [
            name,
            number(min(each.seconds) * 1000),
            number(min(each.seconds) / min(beside), 1),
            number(median(each.seconds) * 1000),
            number(median(each.seconds) / median(beside), 1),
            each.level,
        ]
        for name, each in figures.items()
    ]
    head = ["who spawns", "ms, least", "times asyncio's", "ms, median", "times asyncio's", "level"]
    print(table(head, rows))


if __name__ == "__main__":
    sys.exit(main())
