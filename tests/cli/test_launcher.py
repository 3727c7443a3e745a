"""The installed program: a compiled file for each name, which starts its own installation's Python (H-75, H-76)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import TIMEOUT_SECONDS
from tests.netns.engine import launcher
from warren._core import __version__
from warren.cli.program_names import SECTIONS_OF_PROGRAM

pytestmark = pytest.mark.integration
EVIL = "raise SystemExit('what others put there was run')\n"


def run(
    program: Path, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and wait for it; `env` adds to the environment."""
    return subprocess.run(
        [program, *arguments],
        env=os.environ | (env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """Return a copy of the launcher in an otherwise empty directory."""
    (tmp_path / "bin").mkdir()
    return Path(shutil.copy2(launcher(), tmp_path / "bin" / "harmony-agent"))


@pytest.mark.parametrize("name", SECTIONS_OF_PROGRAM)
def test_installed_program_is_compiled_and_has_its_own_commands(name: str) -> None:
    program = launcher().with_name(name)
    assert program.read_bytes()[:4] == b"\x7fELF"
    assert run(program, "--version").stdout == f"{name} {__version__}\n"


def test_symlink_selects_program_name(tmp_path: Path) -> None:
    link = tmp_path / "harmony-agent"
    link.symlink_to(launcher())
    assert run(link, "version").stdout == f"harmony-agent {__version__}\n"


def test_launcher_passes_arguments_output_and_status() -> None:
    done = run(launcher(), "fly", "--high")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("warren: no such command 'fly'")


@pytest.mark.security
def test_launcher_ignores_python_environment_and_working_directory(tmp_path: Path) -> None:
    for name in ("warren", "click", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(EVIL)
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "warren.py"), "PYTHONHOME": "/nowhere"}
    done = run(launcher(), "--version", env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"warren {__version__}\n")


def test_copied_launcher_finds_installation_in_lib(alone: Path) -> None:
    """H-75: the file on the path may be a copy; `PREFIX/lib/warren` is the environment, or a link to it."""
    lib = alone.parent.parent / "lib"
    lib.mkdir()
    (lib / "warren").symlink_to(sys.prefix)
    assert run(alone, "version").stdout == f"harmony-agent {__version__}\n"


def test_launcher_without_installation_names_searched_places(alone: Path) -> None:
    done = run(alone, "version")
    assert done.returncode == 1
    assert done.stderr == (
        f"harmony-agent: no Python interpreter for {alone}: "
        "expected python3 in its directory, or ../lib/warren/bin/python3\n"
    )


def test_python_m_warren_runs_the_program(tmp_path: Path) -> None:
    done = run(Path(sys.executable), "-m", "warren", "--version", cwd=tmp_path)
    assert done.stdout == f"warren {__version__}\n"
