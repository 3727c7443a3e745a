"""Whoever is killed on the way, nothing of a program is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.kept import HOSTS, TIMEOUT_SECONDS, Kept, kept

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.needs("cc", "setpriv", "unshare")]

SECLUDED = [name for name, host in HOSTS.items() if host.is_secluded]
STUBBORN = [["ignores_term"], ["daemon"], ["fork_bomb"], ["comet"]]
DELAYS_MS = (0, 3, 10, 20, 40, 80, 160, 640)


@pytest.fixture(scope="module", params=HOSTS)
def sandboxed(request: pytest.FixtureRequest) -> Iterator[Kept]:
    """On each kind of host."""
    with kept(HOSTS[request.param]) as found:
        yield found


@pytest.mark.parametrize("delay_ms", DELAYS_MS)
def test_killed_agent_leaves_no_program(sandboxed: Kept, delay_ms: int) -> None:
    with sandboxed.keeper(*STUBBORN) as keeper:
        told(keeper, "pid")
        time.sleep(delay_ms / 1000)
        keeper.kill()
        keeper.communicate()
    sandboxed.wait_until_gone()
    wait_until_empty(sandboxed)


def test_agent_killed_during_programs_leaves_none(sandboxed: Kept) -> None:
    with sandboxed.keeper(["ignores_term"], ["fork_bomb"]) as keeper:
        told(keeper, "begun")
        assert sandboxed.left() != []
        keeper.kill()
        keeper.communicate()
    sandboxed.wait_until_gone()
    wait_until_empty(sandboxed)


@pytest.mark.parametrize("sandboxed", SECLUDED, indirect=True)
def test_killed_sandbox_leaves_no_program(sandboxed: Kept) -> None:
    with sandboxed.keeper(["ignores_term"]) as keeper:
        told(keeper, "begun")
        [supervisor] = children(keeper.pid)
        os.kill(supervisor, signal.SIGKILL)
        output, _ = keeper.communicate(timeout=TIMEOUT_SECONDS)
    sandboxed.wait_until_gone()
    assert "the sandbox was killed" in json.loads(output.splitlines()[-1])["problem"]


def test_terminated_sandbox_terminates_its_program(sandboxed: Kept) -> None:
    with sandboxed.keeper(["ignores_term"]) as keeper:
        told(keeper, "begun")
        [supervisor] = children(keeper.pid)
        os.kill(supervisor, signal.SIGTERM)
        output, _ = keeper.communicate(timeout=TIMEOUT_SECONDS)
    assert sandboxed.left() == []
    assert json.loads(output.splitlines()[-1])["code"] == "CANCELLED"


def told(keeper: subprocess.Popen[str], what: str) -> None:
    """Waits for a line."""
    assert keeper.stdout is not None
    for line in keeper.stdout:
        if what in json.loads(line):
            return
    pytest.fail(f"it never said {what}")


def children(pid: int) -> list[int]:
    """Of all threads of it."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if int(fields["PPid"]) == pid:
            found.append(int(fields["Pid"]))
    return found


def wait_until_empty(sandboxed: Kept) -> None:
    """The sandboxes remove what they made, when all is gone."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while left := [path.name for path in (sandboxed.directory / "work").iterdir() if path.name != "uids"]:
        assert time.monotonic() < end, left
        time.sleep(0.01)
