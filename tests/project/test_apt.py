"""`requirements/apt` asks for what is absent, for no more, and says so where it may not ask."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.conftest import ROOT

pytestmark = pytest.mark.integration


class Machine:
    """A path with nothing on it but what the script itself uses and what a test puts there."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.asked = programs / "asked"
        for name in ("dirname", "sh"):
            (programs / name).symlink_to(shutil.which(name) or name)

    def has(self, name: str, script: str = "") -> None:
        """Put a program there."""
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def apt(self, *jobs: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        words = [str(ROOT / "requirements" / "apt"), *jobs]
        environment = {"PATH": str(self.programs), "ASKED": str(self.asked)}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.has("id", "echo 0")
    made.has("apt-get", 'echo "$@" >> "$ASKED"')
    return made


def test_apt_installs_only_missing_packages(machine: Machine) -> None:
    machine.has("ping")
    assert machine.apt("demo").returncode == 0
    asked = machine.asked.read_text().split()
    assert "iperf3" in asked
    assert "iputils-ping" not in asked  # it is here
    assert "strace" not in asked  # only another job needs it


def test_apt_installs_nothing_if_all_packages_exist(machine: Machine) -> None:
    for program in ("curl", "ip", "iperf3", "ping", "unshare", "wg"):
        machine.has(program)
    assert machine.apt("demo").returncode == 0
    assert not machine.asked.exists()


def test_apt_updates_lists_once_for_unknown_package(machine: Machine) -> None:
    machine.has("apt-get", 'echo "$1" >> "$ASKED"; [ "$1" = update ] || grep -q update "$ASKED"')
    (machine.programs / "grep").symlink_to(shutil.which("grep") or "grep")
    assert machine.apt("demo").returncode == 0
    assert machine.asked.read_text().split() == ["install", "update", "install"]


def test_apt_without_root_names_packages_to_install(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    done = machine.apt("demo")
    assert done.returncode == 1
    assert "as root: apt-get install" in done.stderr
    assert "iperf3" in done.stderr
    assert not machine.asked.exists()


def test_host_without_apt_names_the_packages(machine: Machine) -> None:
    (machine.programs / "apt-get").unlink()
    done = machine.apt("demo")
    assert done.returncode == 1
    assert "there is no apt-get" in done.stderr
    assert "iperf3" in done.stderr
