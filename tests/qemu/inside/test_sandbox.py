"""The sandbox on Debian's kernel, which is older than most, and in a control group that was delegated to the agent."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.pipeline.bundles import put, trusted_directory
from warren.commands.effects.programs import RunScript
from warren.commands.handlers.program_runner import ProgramRunner
from warren.commands.settings import SandboxSettings, ScriptSettings

pytestmark = [pytest.mark.integration, pytest.mark.root]

MEBIBYTE = 1 << 20
TIMEOUT_SECONDS = 300.0
# Each of the four holds 24 MiB, less than is allowed to one, and all of them more than is allowed together.
GREEDY = """#!/bin/sh
for one in 1 2 3 4; do
    (head -c 25165824 /dev/zero | tail -c 25165824 | (sleep 5; cat > /dev/null)) &
done
wait
echo done
"""


@pytest.fixture
def trusted() -> Iterator[Path]:
    """A directory of scripts."""
    with trusted_directory() as directory:
        yield directory


@pytest.fixture
def unit() -> Iterator[Path]:
    """A unit's group as systemd delegates it, with this process in a group below."""
    top = Path("/sys/fs/cgroup")
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", top], check=True)
    (top / "cgroup.subtree_control").write_text("+memory +pids")
    unit = top / "unit"
    (unit / "agent").mkdir(parents=True)
    os.setxattr(unit, "user.delegate", b"1")
    (unit / "agent" / "cgroup.procs").write_text(str(os.getpid()))
    yield unit
    (top / "cgroup.procs").write_text(str(os.getpid()))
    (unit / "agent").rmdir()
    unit.rmdir()
    subprocess.run(["umount", top], check=True)


def programs(trusted: Path, text: str) -> ProgramRunner:
    put(trusted / "script", text)
    settings = SandboxSettings(memory_bytes=64 * MEBIBYTE)
    return ProgramRunner(settings, ScriptSettings({"script": str(trusted / "script")}), trusted / "work", "warren")


def test_an_older_kernel_reaches_as_much(trusted: Path) -> None:
    reached = asyncio.run(programs(trusted, "").probe())
    assert reached.level == "L3"
    assert "cgroup" not in reached.facts


def test_all_memory_together_has_a_bound_in_a_delegated_group(trusted: Path, unit: Path) -> None:
    made = programs(trusted, GREEDY)
    assert "cgroup" in asyncio.run(made.probe()).facts
    running = made.run(RunScript("script"), deadline_seconds=TIMEOUT_SECONDS, min_level="L3", pinned={})
    done = asyncio.run(running)
    assert (done.rc, done.stdout) == (137, b"")
    assert [path.name for path in unit.iterdir() if path.is_dir()] == ["agent"]
