"""Kill a command at its nth system call of a kind, by strace, so that no product code knows of it.

The signal comes as the call is entered, which is then not made: killing at each call in turn is killing between all of
them. Calls are counted by kind and thread.

`make soak` kills at every call. Elsewhere a stratified sample stands for them: of each kind of call the first, the last
and one at random between. The seed is in the head of pytest's report, and `WARREN_SEED` repeats it.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import hypothesis

T = TypeVar("T")
SEED = "WARREN_SEED"

# What changes a disk. Those that the architecture does not have are left out by the question mark.
CHANGING = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "truncate",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "lchown",
    "fchown",
    "fchownat",
    "utimensat",
)
TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Kill:
    """At the `nth` call of that name, counted from 1."""

    call: str
    nth: int


def is_soak() -> bool:
    """Return whether this run is for the full counts (`make soak`)."""
    return hypothesis.settings.get_current_profile_name() == "soak"


def choose_seed() -> str:
    """Choose the seed of this run's samples, unless the environment has one; the processes of one run share it."""
    return os.environ.setdefault(SEED, str(random.SystemRandom().randrange(1 << 32)))


def sampled(points: Sequence[T], kind: Callable[[T], str]) -> list[T]:
    """Return the points to try, in their order: all in a soak, otherwise the stratified sample that the head names.

    It prints what it chose, so that the report of a failed test shows it.
    """
    if is_soak():
        return list(points)
    chance = random.Random(choose_seed())  # noqa: S311 - a sample that can be drawn again
    chosen: set[int] = set()
    for name in dict.fromkeys(map(kind, points)):
        first, *between = (index for index, point in enumerate(points) if kind(point) == name)
        last = between.pop() if between else first
        chosen |= {first, last, *chance.sample(between, min(1, len(between)))}
    print(f"{len(chosen)} of {len(points)} points, {SEED}={choose_seed()}")
    return [points[index] for index in sorted(chosen)]


def is_killed(command: Sequence[str], kill: Kill) -> bool:
    """Run a command to its end or to `kill`. It must not fail by itself."""
    injection = f"inject=?{kill.call}:signal=KILL:when={kill.nth}"
    return _strace(command, f"trace=?{kill.call}", "-e", injection, log="/dev/null") == -signal.SIGKILL


def kills(
    directory: Path, prepare: Callable[[Path], Sequence[str]], calls: Sequence[str] = CHANGING
) -> Iterator[tuple[Kill, Path]]:
    """Crash a command at its `sampled` calls: yield where it was killed, and the place that it worked on.

    `prepare` fills a new place below `directory`, and returns the command that is to run on it.
    """
    points = crash_points(prepare(_place(directory, 0)), calls)
    for number, kill in enumerate(sampled(points, kind=lambda point: point.call), 1):
        place = _place(directory, number)
        assert is_killed(prepare(place), kill), f"{kill} was not reached this time"
        yield kill, place


def crash_points(command: Sequence[str], calls: Sequence[str] = CHANGING) -> list[Kill]:
    """Run a command to its end, and return where it could have been killed."""
    with tempfile.NamedTemporaryFile("r") as log:
        assert _strace(command, "trace=" + ",".join(f"?{call}" for call in calls), log=log.name) == 0
        made = Counter(re.findall(r"^(\d+) +(\w+)\(", log.read(), re.MULTILINE))
    most = {call: max(count for (_, other), count in made.items() if other == call) for _, call in made}
    return [Kill(call, nth) for call in calls for nth in range(1, most.get(call, 0) + 1)]


def _strace(command: Sequence[str], *expressions: str, log: str) -> int:
    arguments = ["strace", "-f", "-qq", "-o", log, "-e", *expressions, *command]
    done = subprocess.run(arguments, capture_output=True, timeout=TIMEOUT_SECONDS, check=False, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def _place(directory: Path, number: int) -> Path:
    place = directory / str(number)
    place.mkdir()
    return place


def python(code: str, *arguments: str) -> list[str]:
    """Return a command that runs `code` by this interpreter, which writes no byte code meanwhile."""
    return [sys.executable, "-B", "-c", code, *arguments]
