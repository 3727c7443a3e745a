"""One program with several names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from warren._core import __version__
from warren.cli.program_names import SECTIONS_OF_PROGRAM, commands_of

from .program import TIMEOUT_SECONDS

pytestmark = pytest.mark.integration
RUN = "import sys; from warren.cli.main import main; sys.exit(main())"


@pytest.fixture(params=SECTIONS_OF_PROGRAM)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run_as(name: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program from a file of that name, as the installer creates it."""
    program = directory / name
    program.write_text(f"#!{sys.executable}\n{RUN}\n")
    program.chmod(0o755)
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False, cwd=directory
    )


def test_program_uses_its_own_name_in_output(name: str, tmp_path: Path) -> None:
    assert run_as(name, tmp_path, "--version").stdout == f"{name} {__version__}\n"
    assert run_as(name, tmp_path, "fly").stderr.startswith(f"{name}: no such command 'fly'")


def test_every_command_of_a_program_is_listed_and_runs(name: str, tmp_path: Path) -> None:
    shown = run_as(name, tmp_path, "--help").stdout
    assert [word for word in commands_of(name) if f"\n  {word} " not in shown] == []
    assert [word for word in commands_of(name) if run_as(name, tmp_path, word, "--help").returncode] == []


def test_harmony_agent_has_version_validate_and_stop_at_top_level(tmp_path: Path) -> None:
    """Rows H-18, H-20, H-22."""
    assert run_as("harmony-agent", tmp_path, "version").stdout == f"harmony-agent {__version__}\n"
    shown = run_as("harmony-agent", tmp_path, "validate", "--root", str(tmp_path)).stderr
    assert f"{tmp_path}/etc/harmony-agent/config.toml" in shown
    stopped = run_as("harmony-agent", tmp_path, "stop", "--root", str(tmp_path))
    assert stopped.returncode == 1
    assert f"{tmp_path}/var/run/harmony-agent.sock" in stopped.stderr


@pytest.mark.needs("wg")
def test_harmony_agent_creates_keys_as_wg(tmp_path: Path) -> None:
    """Row H-23."""
    private = run_as("harmony-agent", tmp_path, "genkey").stdout
    made = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True)
    path = tmp_path / "private.key"
    path.touch(0o600)
    path.write_text(private)
    with path.open() as key:
        own = subprocess.run(
            [tmp_path / "harmony-agent", "pubkey"], stdin=key, capture_output=True, text=True, check=True
        )
    assert own.stdout == made.stdout


def test_unknown_program_name_is_warren(tmp_path: Path) -> None:
    assert run_as("something", tmp_path, "--version").stdout == f"warren {__version__}\n"
