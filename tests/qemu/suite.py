"""The test files that run in the guests, against the kernel as the peer, and which guest runs which.

Two guests have one emulated processor each and about as much to do. The rekey waits two minutes for the protocol's own
time, so it waits beside the others. `make soak` runs every test of the files, `make test` the sample of sample.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence

from tests.faults import choose_seed, is_soak
from tests.netns.engine import TREE, warren

from . import sample
from .guest import Guest, Job
from .verdict import Verdict, read_verdicts

NETNS, INSIDE, SCENARIO = "tests/netns", "tests/qemu/inside", "tests/scenario"


def in_netns(*names: str) -> tuple[str, ...]:
    """Files of the namespace tests."""
    return tuple(f"{NETNS}/test_{name}.py" for name in names)


def inside(*names: str) -> tuple[str, ...]:
    """Files that are only for the guests."""
    return tuple(f"{INSIDE}/test_{name}.py" for name in names)


def in_scenario(*names: str) -> tuple[str, ...]:
    """Files about whole agents."""
    return tuple(f"{SCENARIO}/test_{name}.py" for name in names)


# Of the files about processes and their users, the one in which a network comes up. Diagnoses, sockets of the engine,
# what comes at a bad moment and the other program's name (doctor, leftovers, hardship, harmony) are left out.
AS_A_USER = "test_it_is_another_user_with_two_capabilities_and_can_gain_none"
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
    (0, in_scenario("failover")),
    (
        1,
        (
            *in_scenario("lifecycle", "reload", "names", "dns", "default_route", "untouched", "rotation", "control"),
            f"{in_scenario('privileges')[0]}::{AS_A_USER}",
        ),
    ),
)


def unplanned() -> tuple[str, ...]:
    """Files of inside/ that no line of `PLANNED` has: they run all the same, in the guest that has less to do."""
    planned = {file for _, files in PLANNED for file in files}
    found = (f"{INSIDE}/{path.name}" for path in sorted((TREE / INSIDE).glob("test_*.py")))
    return tuple(file for file in found if file not in planned)


LINES = (*PLANNED, (0, unplanned()))
# Those that have the peer as a parameter, those that make it themselves, and those that only a guest can run.
WANTED = "kernel or rekey or inside"
# Of what is said about whole agents, that to which a backend makes no difference: files, words and refusals...
ELSEWHERE = (
    *("an_invalid_file", "a_key_that_others_can_read", "what_counts_at_the_next_start", "steps_out_of_order"),
    *("an_edit_while_it_is_up", "what_others_wrote", "each_failure_has_its_type", "second_agent", "health_is_served"),
)
# ...what an emulated processor is too slow for, two hundred echoes a second and a hundred processes under strace; and
# what another scenario shows there already.
TOO_MUCH = ("without_the_loss_of_one_echo", "other_networks_lose_nothing", "killed_at_any_call", "flush")
OF_AGENTS = f"not ({' or '.join((*ELSEWHERE, *TOO_MUCH))})"
SLOWNESS = 10
TEST_SECONDS = 3000  # for one test, beside three others on a processor that is shared
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
        verdicts = [verdict for verdict in read_verdicts(job.folder) if verdict.test.startswith(file)]
        assert verdicts, f"no verdict on {file}: status {done.status}\n{done.stdout}{done.stderr}"
        return verdicts


def pytest_in(guest: Guest, files: Sequence[str]) -> Job:
    """Starts pytest in a guest, with those plugins alone that the files need; its verdicts go to the job's folder."""
    environment = {
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "WARREN_BACKEND": "kernel",
        "WARREN_PEERS": "kernel",
        "WARREN_SLOWNESS": str(SLOWNESS),
        "WARREN_WG": str(warren().program),
        "PYTHONPATH": f"{TREE}:{TREE / 'src'}",  # this tree's, whichever one is installed
    }
    if not is_soak():
        environment[sample.SEED] = choose_seed()
    options = ["-c", str(TREE / "pyproject.toml"), "--confcutdir", str(TREE / NETNS), f"--timeout={TEST_SECONDS}"]
    wanted = OF_AGENTS if files[0].startswith(SCENARIO) else WANTED
    plugins = [
        "-p",
        "pytest_timeout",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.qemu.verdict",
        "-p",
        "tests.qemu.sample",
        "-k",
        wanted,
    ]
    paths = [str(TREE / file) for file in files]
    return guest.start(sys.executable, "-m", "pytest", *options, *plugins, *paths, env=environment)
