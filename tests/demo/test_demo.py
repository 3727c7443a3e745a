"""`make demo`: it passes or names the failure, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXIT_TIMEOUT_SECONDS = 30  # killed namespaces are gone in milliseconds

pytestmark = [pytest.mark.root, pytest.mark.needs("unshare", "ip", "ping", "iperf3", "wg")]


class Demonstration:
    """One run, found by a mark in the environment of all its processes."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.mark = f"WARREN_DEMO_TEST={uuid.uuid4()}"

    def replace(self, name: str, script: str) -> None:
        """Put a program before the real one on the PATH."""
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        """Start the demo in a session of its own, as a terminal does."""
        name, value = self.mark.split("=")
        path = f"{self.programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=ROOT,
            env=os.environ | {"PATH": path, name: value},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> list[int]:
        """Return its processes that are still running."""
        return [int(place.name) for place in Path("/proc").glob("[0-9]*") if self.mark.encode() in environment(place)]

    def is_gone(self) -> bool:
        """Return whether its last process exits in time."""
        deadline = time.monotonic() + EXIT_TIMEOUT_SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.processes()


def environment(process: Path) -> bytes:
    """Return the environment of a process; empty if it has exited."""
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def demonstration(tmp_path: Path) -> Iterator[Demonstration]:
    made = Demonstration(tmp_path)
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)


def test_demo_ends_with_summary(demonstration: Demonstration) -> None:
    output, _ = (run := demonstration.start()).communicate()
    assert run.returncode == 0, output
    last = output.splitlines()[-1]
    assert last.startswith("✓ Proven: 20/20 pings answered")
    assert "latest handshake" in output
    assert "create_panel_user SUCCESS" in output
    assert "create_panel_user DENIED REPLAY_DETECTED" in output
    assert "DENIED INVALID_SIGNATURE" in output
    assert "audit.jsonl:2: entry 2: this entry or the next one was edited" in output
    assert demonstration.is_gone()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_demo_leaves_nothing_behind(demonstration: Demonstration, sent: signal.Signals) -> None:
    run = demonstration.start()
    assert run.stdout
    assert any("Ping through the tunnel" in line for line in run.stdout)  # both tunnels are up
    assert len(demonstration.processes()) > 2
    run.send_signal(sent)
    run.communicate()
    assert run.returncode != 0
    assert demonstration.is_gone()


def test_failed_stage_names_program_and_its_output(demonstration: Demonstration) -> None:
    demonstration.replace("warren", 'echo "no such luck" >&2; exit 3')
    output, _ = (run := demonstration.start()).communicate()
    assert run.returncode == 1
    assert output.splitlines()[-1] == "✗ `warren trust init /run/warren-demo/office` failed with status 3: no such luck"
    assert demonstration.is_gone()


def test_demo_without_namespaces_names_the_requirement(demonstration: Demonstration) -> None:
    demonstration.replace("unshare", 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1')
    output, _ = (run := demonstration.start()).communicate()
    assert run.returncode == 1
    assert output.splitlines()[-1].startswith("✗ this user cannot create network namespaces")
