"""One program under several names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from warren._core import __version__
from warren.cli.program_names import SECTIONS_OF_PROGRAM

from .program import PATIENCE_SECONDS

pytestmark = pytest.mark.integration
RUN = "import sys; from warren.cli.main import main; sys.exit(main())"


@pytest.fixture(params=SECTIONS_OF_PROGRAM)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def started_as(name: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program by a file of that name, as the installer makes it."""
    program = directory / name
    program.write_text(f"#!{sys.executable}\n{RUN}\n")
    program.chmod(0o755)
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, cwd=directory
    )


def test_it_says_its_own_name(name: str, tmp_path: Path) -> None:
    assert started_as(name, tmp_path, "--version").stdout == f"{name} {__version__}\n"
    assert started_as(name, tmp_path, "fly").stderr.startswith(f"{name}: no such command 'fly'")


def test_every_command_is_there(name: str, tmp_path: Path) -> None:
    shown = started_as(name, tmp_path, "--help").stdout
    assert [word for word in SECTIONS_OF_PROGRAM[name] if f"\n  {word} " not in shown] == []
    assert [word for word in SECTIONS_OF_PROGRAM[name] if started_as(name, tmp_path, word, "--help").returncode] == []


def test_the_words_of_document_000(tmp_path: Path) -> None:
    """Rows H-18, H-20, H-22."""
    assert started_as("harmony-agent", tmp_path, "version").stdout == f"harmony-agent {__version__}\n"
    shown = started_as("harmony-agent", tmp_path, "validate", "--root", str(tmp_path)).stderr
    assert f"{tmp_path}/etc/harmony-agent/config.toml" in shown
    stopped = started_as("harmony-agent", tmp_path, "stop", "--root", str(tmp_path))
    assert stopped.returncode == 1
    assert f"{tmp_path}/var/run/harmony-agent.sock" in stopped.stderr


@pytest.mark.needs("wg")
def test_keys_under_the_name_of_document_000(tmp_path: Path) -> None:
    """Row H-23."""
    private = started_as("harmony-agent", tmp_path, "genkey").stdout
    made = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True)
    path = tmp_path / "private.key"
    path.touch(0o600)
    path.write_text(private)
    with path.open() as key:
        own = subprocess.run(
            [tmp_path / "harmony-agent", "pubkey"], stdin=key, capture_output=True, text=True, check=True
        )
    assert own.stdout == made.stdout


def test_under_any_other_name_it_is_warren(tmp_path: Path) -> None:
    assert started_as("something", tmp_path, "--version").stdout == f"warren {__version__}\n"
