"""The installed program: one compiled file under its names, which starts its own installation's Python (H-75, H-76)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import PATIENCE_SECONDS
from tests.netns.engine import launcher
from warren._core import __version__
from warren.cli.program_names import SECTIONS_OF_PROGRAM

pytestmark = pytest.mark.integration
EVIL = "raise SystemExit('what others put there was run')\n"


def run(
    program: Path, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A program to its end; `env` adds to the environment."""
    return subprocess.run(
        [program, *arguments],
        env=os.environ | (env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A launcher that was copied to a directory on the path, without anything beside it."""
    (tmp_path / "bin").mkdir()
    return Path(shutil.copy2(launcher(), tmp_path / "bin" / "harmony-agent"))


@pytest.mark.parametrize("name", SECTIONS_OF_PROGRAM)
def test_under_each_name_it_is_a_compiled_file_with_the_words_of_that_name(name: str) -> None:
    program = launcher().with_name(name)
    assert program.read_bytes()[:4] == b"\x7fELF"
    assert run(program, "--version").stdout == f"{name} {__version__}\n"


def test_a_link_to_it_has_the_words_of_the_link(tmp_path: Path) -> None:
    link = tmp_path / "harmony-agent"
    link.symlink_to(launcher())
    assert run(link, "version").stdout == f"harmony-agent {__version__}\n"


def test_arguments_output_and_status_are_the_program_s() -> None:
    done = run(launcher(), "fly", "--high")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("warren: no such command 'fly'")


@pytest.mark.security
def test_what_python_would_take_from_the_environment_or_the_directory_is_not_run(tmp_path: Path) -> None:
    for name in ("warren", "click", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(EVIL)
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "warren.py"), "PYTHONHOME": "/nowhere"}
    done = run(launcher(), "--version", env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"warren {__version__}\n")


def test_one_that_stands_alone_finds_its_installation_in_lib(alone: Path) -> None:
    """H-75: the file on the path may be a copy; `PREFIX/lib/warren` is the environment, or a link to it."""
    lib = alone.parent.parent / "lib"
    lib.mkdir()
    (lib / "warren").symlink_to(sys.prefix)
    assert run(alone, "version").stdout == f"harmony-agent {__version__}\n"


def test_one_that_finds_none_says_where_it_looked(alone: Path) -> None:
    done = run(alone, "version")
    assert done.returncode == 1
    assert done.stderr == (
        f"harmony-agent: no Python interpreter for {alone}: "
        "expected python3 in its directory, or ../lib/warren/bin/python3\n"
    )


def test_without_the_launcher_it_is_a_module(tmp_path: Path) -> None:
    done = run(Path(sys.executable), "-m", "warren", "--version", cwd=tmp_path)
    assert done.stdout == f"warren {__version__}\n"
