"""The root command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from warren._core import __version__

from .program import warren

pytestmark = pytest.mark.integration

# Each is slow to import, or belongs to the daemon.
LATE = {"rich", "asyncio", "ssl", "subprocess", "hypothesis", "warren.tunnel", "warren.files.key_file"}


def test_version_is_shown() -> None:
    assert warren("--version").stdout == f"warren {__version__}\n"


def test_help_lists_every_command() -> None:
    done = warren("--help")
    assert done.returncode == 0
    for command in ("up", "down", "status", "genkey", "pubkey", "genpsk"):
        assert f"  {command} " in done.stdout
        assert warren(command, "--help").returncode == 0


def test_no_command_shows_help_and_fails() -> None:
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
def test_usage_error_names_problem_and_help(line: tuple[str, ...], problem: str, where: str) -> None:
    done = warren(*line)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(f"warren: {problem}")
    assert second == f"        see: {where} --help"


def test_main_imports_no_command_before_it_is_run() -> None:
    code = "import sys, warren.cli.main; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "warren.cli.main" in loaded
    assert not LATE & loaded
