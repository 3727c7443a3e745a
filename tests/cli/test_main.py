"""The command line itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from warren._core import __version__

from .program import warren

pytestmark = pytest.mark.integration

# Each takes longer than all that a command needs, or belongs to a daemon.
LATE = {"rich", "asyncio", "ssl", "subprocess", "hypothesis", "warren.tunnel", "warren.files.key_file"}


def test_the_version() -> None:
    assert warren("--version").stdout == f"warren {__version__}\n"


def test_help_lists_every_command() -> None:
    done = warren("--help")
    assert done.returncode == 0
    for command in ("up", "down", "status", "genkey", "pubkey", "genpsk"):
        assert f"  {command} " in done.stdout
        assert warren(command, "--help").returncode == 0


def test_without_a_command_it_shows_what_there_is() -> None:
    done = warren()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: warren")


@pytest.mark.parametrize(
    ("line", "problem", "where"),
    [
        (("upp",), "no such command 'upp'", "warren"),
        (("up",), "missing argument 'FILE.conf'", "warren up"),
        (("up", "--force", "x.conf"), "no such option '--force'", "warren up"),
        (("down", "a", "b"), "got unexpected extra argument (b)", "warren down"),
    ],
)
def test_a_line_that_means_nothing(line: tuple[str, ...], problem: str, where: str) -> None:
    done = warren(*line)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(f"warren: {problem}")
    assert second == f"        see: {where} --help"


def test_it_imports_nothing_before_it_is_needed() -> None:
    code = "import sys, warren.cli.main; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "warren.cli.main" in loaded
    assert not LATE & loaded
