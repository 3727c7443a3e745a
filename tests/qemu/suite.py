"""The test files that run in the guests, against the kernel as the peer, and which guest runs which.

Two guests have one emulated processor each and about as much to do. The rekey waits two minutes for the protocol's own
time, so it waits beside the others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence

from tests.netns.engine import TREE, warren

from .guest import Guest, Job
from .verdict import Verdict, read_verdicts

NETNS, INSIDE = "tests/netns", "tests/qemu/inside"


def in_netns(*names: str) -> tuple[str, ...]:
    """Files of the namespace tests."""
    return tuple(f"{NETNS}/test_{name}.py" for name in names)


def inside(*names: str) -> tuple[str, ...]:
    """Files that are only for the guests."""
    return tuple(f"{INSIDE}/test_{name}.py" for name in names)


# Each line is one pytest; the number is the guest's.
PLANNED: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0, in_netns("rekey")),
    (0, in_netns("mtu", "preshared_key", "load", "bulk")),
    (1, (*inside("messages"), *in_netns("reconnect", "keepalive", "nat"), *inside("delivery"))),
    (
        1,
        in_netns("handshake", "roaming", "allowed_ips", "peers", "wg", "faults", "link", "source", "reconfigure")
        + inside("recipe", "netem", "settings"),
    ),
)


def unplanned() -> tuple[str, ...]:
    """Files of inside/ that no line of `PLANNED` has: they run all the same, in the guest that has less to do."""
    planned = {file for _, files in PLANNED for file in files}
    found = (f"{INSIDE}/{path.name}" for path in sorted((TREE / INSIDE).glob("test_*.py")))
    return tuple(file for file in found if file not in planned)


LINES = (*PLANNED, (1, unplanned()))
# Those that have the peer as a parameter, those that make it themselves, and those that only a guest can run.
WANTED = "kernel or rekey or inside"
SLOWNESS = 10
FILES = [file for _, files in LINES for file in files]


class Suite:
    """Starts the pytests of those files that are wanted, all at once."""

    def __init__(self, guests: Sequence[Guest], wanted: Collection[str]) -> None:
        self._jobs: dict[str, Job] = {}
        for number, line in LINES:
            if files := [file for file in line if file in wanted]:
                job = pytest_in(guests[number], files)
                self._jobs |= dict.fromkeys(files, job)

    def verdicts(self, file: str) -> list[Verdict]:
        """What the tests of a file came to, once the pytest that it belongs to has ended.

        AssertionError with its output if that one gave no verdicts.
        """
        job = self._jobs[file]
        done = job.wait()
        verdicts = [verdict for verdict in read_verdicts(job.folder) if verdict.module == file]
        assert verdicts, f"no verdict on {file}: status {done.status}\n{done.stdout}{done.stderr}"
        return verdicts


def pytest_in(guest: Guest, files: Sequence[str]) -> Job:
    """Starts pytest in a guest, with those plugins alone that the files need; its verdicts go to the job's folder."""
    environment = {
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "WARREN_PEERS": "kernel",
        "WARREN_SLOWNESS": str(SLOWNESS),
        "WARREN_WG": str(warren().program),
        "PYTHONPATH": f"{TREE}:{TREE / 'src'}",  # this tree's, whichever one is installed
    }
    options = ["-c", str(TREE / "pyproject.toml"), "--confcutdir", str(TREE / NETNS)]
    plugins = ["-p", "pytest_timeout", "-p", "no:cacheprovider", "-p", "tests.qemu.verdict", "-k", WANTED]
    paths = [str(TREE / file) for file in files]
    return guest.start(sys.executable, "-m", "pytest", *options, *plugins, *paths, env=environment)
