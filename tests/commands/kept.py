"""The sandboxed: programs that misbehave, and hosts to keep them on."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.commands.pipeline.bundles import trusted_directory
from warren.commands.handlers.sandbox_process import find_sandbox

PROGRAMS = Path(__file__).with_name("misbehaving")
ROOT = Path(__file__).parents[2]
# A user that nobody is, another one in each process of a parallel run: the kernel counts a user's processes.
STRANGER = 54321 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
TIMEOUT_SECONDS = 60

# Without the right to make a namespace; root's own way.
WITHOUT_RIGHT = '#!/bin/sh\nexec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin -- {sandbox} "$@"\n'
# As on a kernel without filters of system calls, and without the right to make a namespace.
WITHOUT_FILTER = """#!{python}
import ctypes, errno, os, platform, struct, sys
NUMBERS = {{"x86_64": 317, "aarch64": 277, "riscv64": 277}}  # of seccomp(2)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
LOAD, EQUAL, RETURN, ERRNO, ALLOW = 0x20, 0x15, 0x06, 0x0005_0000, 0x7fff_0000
lines = [
    (LOAD, 0, 0, 0),
    (EQUAL, 0, 1, NUMBERS[platform.machine()]),
    (RETURN, 0, 0, ERRNO | errno.ENOSYS),
    (RETURN, 0, 0, ALLOW),
]
text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
program = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(text)))
if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program):
    sys.exit("no filter")
without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"]
os.execvp(without[0], [*without, "{sandbox}", *sys.argv[1:]])
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A host on which root runs the programs, and what the kernel lets it."""

    level: str
    """What is reached there."""
    wrapper: str | None = None
    """A script in the sandbox's place, which takes something away before it."""

    @property
    def is_secluded(self) -> bool:
        """Whether it has namespaces."""
        return self.wrapper is None


HOSTS = {
    "root": Host("L3"),
    "root-without-namespaces": Host("L1", wrapper=WITHOUT_RIGHT),
    "root-without-filter": Host("L0", wrapper=WITHOUT_FILTER),
}


@dataclass(slots=True)
class Kept:
    """A host with all the programs, below a directory that only the owner of scripts can write."""

    host: Host
    directory: Path
    settings: dict[str, Any] = field(default_factory=dict)
    deadline: float = TIMEOUT_SECONDS
    uid: int | None = None
    """Whom the process that runs them becomes first; None stays root."""
    holds_key: bool = False
    """Whether its session keyring holds a key."""
    token: str = field(default_factory=lambda: f"sandboxed-{secrets.token_hex(8)}")
    """An argument of every program, so that what is left of it can be found."""

    def run(self, name: str, *arguments: str) -> dict[str, Any]:
        """How it ended. Nothing of it is left."""
        return self.run_all([name, *arguments])[0]

    def run_all(self, *runs: Sequence[str]) -> list[dict[str, Any]]:
        """How each ended, in the order that they did. Nothing of them is left."""
        with self.keeper(*runs) as keeper:
            output, problem = keeper.communicate(timeout=2 * TIMEOUT_SECONDS)
        assert keeper.returncode == 0, problem
        assert self.left() == [], "processes are left"
        said = [json.loads(line) for line in output.splitlines()]
        return [line for line in said if "name" in line]

    @contextmanager
    def keeper(self, *runs: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        """A process that runs them side by side; what is left of it is killed."""
        given = {
            "uid": self.uid,
            "holds_key": self.holds_key,
            "sandbox": self._sandbox(),
            "directory": str(self.directory / "work"),
            "settings": {"min_level": "L0", "grace_seconds": 1, **self.settings},
            "entries": {path.stem: str(path) for path in self.directory.iterdir() if path.is_file()},
            "deadline": self.deadline,
            "runs": [[*run, self.token] for run in runs],
        }
        environment = {**os.environ, "WARREN_ZOO_SECRET": self.token}
        command = [sys.executable, "-m", "tests.commands.store_keeper", json.dumps(given)]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as keeper:
            try:
                yield keeper
            finally:
                keeper.kill()

    def left(self) -> list[str]:
        """Processes of the programs that have not ended."""
        return [
            command for command in _commands() if self.token in command and "tests.commands.store_keeper" not in command
        ]

    def wait_until_gone(self) -> None:
        """For who is not told when that is."""
        end = time.monotonic() + TIMEOUT_SECONDS
        while left := self.left():
            assert time.monotonic() < end, left
            time.sleep(0.01)

    def _sandbox(self) -> str:
        if self.host.wrapper is None:
            return find_sandbox()
        return str(self.directory / "wrapper" / "warren-sandbox")


@contextmanager
def kept(host: Host) -> Iterator[Kept]:
    """With the programs compiled and put where scripts may be."""
    if os.geteuid() != 0:
        pytest.skip("root")
    with trusted_directory() as directory:
        for source in PROGRAMS.iterdir():
            _put(source, directory)
        if host.wrapper is not None:
            wrapper = directory / "wrapper" / "warren-sandbox"
            wrapper.parent.mkdir()
            wrapper.write_text(host.wrapper.format(sandbox=find_sandbox(), python=sys.executable))
            wrapper.chmod(0o755)
        work = directory / "work"
        work.mkdir(0o711)
        yield Kept(host, directory)
        assert {path.name for path in work.iterdir()} <= {"uids"}, "directories are left"


def _put(source: Path, directory: Path) -> None:
    goal = directory / source.stem
    if source.suffix == ".c":
        subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-o", str(goal), str(source)], check=True)
    else:
        shutil.copyfile(source, goal)
    goal.chmod(0o755)


def _commands() -> Iterator[str]:
    """The command lines of this host's processes that have not ended."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                yield (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def programs(said: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """By name."""
    return {str(line["name"]): line for line in said}
