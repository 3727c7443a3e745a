"""Kills a command at its nth system call of a kind, by strace, so that no product code knows of it.

The signal comes as the call is entered, which is then not made: killing at each call in turn is killing between all of
them. Calls are counted by kind and thread.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Kill:
    """At the `nth` call of that name, counted from 1."""

    call: str
    nth: int


def is_killed(command: Sequence[str], kill: Kill) -> bool:
    """Runs a command to its end or to `kill`. It must not fail by itself."""
    injection = f"inject=?{kill.call}:signal=KILL:when={kill.nth}"
    return _strace(command, f"trace=?{kill.call}", "-e", injection, log="/dev/null") == -signal.SIGKILL


def kills(
    directory: Path, prepare: Callable[[Path], Sequence[str]], calls: Sequence[str] = CHANGING
) -> Iterator[tuple[Kill, Path]]:
    """Every crash of a command: yields where it was killed, and the place that it worked on.

    `prepare` fills a new place below `directory`, and answers the command that is to run on it.
    """
    for number, kill in enumerate(crash_points(prepare(_place(directory, 0)), calls), 1):
        place = _place(directory, number)
        assert is_killed(prepare(place), kill), f"{kill} was not reached this time"
        yield kill, place


def crash_points(command: Sequence[str], calls: Sequence[str] = CHANGING) -> list[Kill]:
    """Runs a command to its end, and says where it could have been killed."""
    with tempfile.NamedTemporaryFile("r") as log:
        assert _strace(command, "trace=" + ",".join(f"?{call}" for call in calls), log=log.name) == 0
        made = Counter(re.findall(r"^(\d+) +(\w+)\(", log.read(), re.MULTILINE))
    most = {call: max(count for (_, other), count in made.items() if other == call) for _, call in made}
    return [Kill(call, nth) for call in calls for nth in range(1, most.get(call, 0) + 1)]


def _strace(command: Sequence[str], *expressions: str, log: str) -> int:
    words = ["strace", "-f", "-qq", "-o", log, "-e", *expressions, *command]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE_SECONDS, check=False, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def _place(directory: Path, number: int) -> Path:
    place = directory / str(number)
    place.mkdir()
    return place


def python(code: str, *arguments: str) -> list[str]:
    """A command that runs `code` by this interpreter, which writes no byte code meanwhile."""
    return [sys.executable, "-B", "-c", code, *arguments]
