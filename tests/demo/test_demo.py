"""The demonstration as a stranger runs it: it proves its point, or says what failed; either way nothing stays."""

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
GONE_SECONDS = 30  # a killed enclosure is gone in milliseconds

pytestmark = [pytest.mark.root, pytest.mark.needs("unshare", "ip", "ping", "iperf3", "wg")]


class Demonstration:
    """One run, findable by a mark in the environment of all its processes."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.mark = f"WARREN_DEMO_TEST={uuid.uuid4()}"

    def has(self, name: str, script: str) -> None:
        """Put a program before the real one."""
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        """Start it in a session of its own, as a terminal would."""
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
        """Those that still run."""
        return [int(place.name) for place in Path("/proc").glob("[0-9]*") if self.mark.encode() in environment(place)]

    def is_gone(self) -> bool:
        """Whether the last of them ends."""
        deadline = time.monotonic() + GONE_SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.processes()


def environment(process: Path) -> bytes:
    """The environment that a process was started with; none of one that ended."""
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


def test_it_ends_with_what_it_proved(demonstration: Demonstration) -> None:
    said, _ = (run := demonstration.start()).communicate()
    assert run.returncode == 0, said
    last = said.splitlines()[-1]
    assert last.startswith("✓ Proven: 20 of 20 echoes came back")
    assert "latest handshake" in said
    assert "create_panel_user SUCCESS" in said
    assert "create_panel_user DENIED REPLAY_DETECTED" in said
    assert "DENIED INVALID_SIGNATURE" in said
    assert "audit.jsonl:2: entry 2: this one or the one behind it was edited" in said
    assert demonstration.is_gone()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_of_one_that_is_ended(demonstration: Demonstration, sent: signal.Signals) -> None:
    run = demonstration.start()
    assert run.stdout
    assert any("Echoes through the tunnel" in line for line in run.stdout)  # both tunnels are up
    assert len(demonstration.processes()) > 2
    run.send_signal(sent)
    run.communicate()
    assert run.returncode != 0
    assert demonstration.is_gone()


def test_a_stage_that_fails_is_named_with_the_program_and_its_words(demonstration: Demonstration) -> None:
    demonstration.has("warren", 'echo "no such luck" >&2; exit 3')
    said, _ = (run := demonstration.start()).communicate()
    assert run.returncode == 1
    assert said.splitlines()[-1] == "✗ `warren trust init /run/warren-demo/office` failed with status 3: no such luck"
    assert demonstration.is_gone()


def test_where_namespaces_are_refused_it_says_what_it_needs(demonstration: Demonstration) -> None:
    demonstration.has("unshare", 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1')
    said, _ = (run := demonstration.start()).communicate()
    assert run.returncode == 1
    assert said.splitlines()[-1].startswith("✗ this user may not make network namespaces")
