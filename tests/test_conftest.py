"""A parallel run counts what is absent, keeps tests that share a fixture in one process and resets signals."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import group_of, shared_by
from tests.faults import SEED

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
SERIAL = ("-p", "no:cacheprovider")
PARALLEL = (*SERIAL, "--numprocesses=2", "--dist=loadscope", "--no-loadscope-reorder")
ABSENT = """
import pytest

@pytest.mark.needs("a-program-that-nobody-has")
def test_absent():
    raise AssertionError("it was run")

def test_present():
    pass
"""
GROUPED = """
import os, pytest
from pathlib import Path

@pytest.mark.parametrize("number", range(20))
def test_one_of_a_group(number):
    with Path("workers").open("a") as log:
        log.write(f"{os.environ['PYTEST_XDIST_WORKER']}\\n")
"""
STARTED = '''
import subprocess, sys

READ = """
import signal
print(*(signal.getsignal(each) == signal.SIG_IGN for each in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)))
"""

def test_started():
    assert subprocess.check_output([sys.executable, "-c", READ], text=True) == "False False False\\n"
'''
SEEDED = """
import os
import shutil
from pathlib import Path
from tests.faults import SEED

def test_one():
    Path("one").write_text(os.environ[SEED])

def test_other():
    Path("other").write_text(os.environ[SEED])
"""


def run(
    directory: Path, test: str, *options: str, prefix: str = "", name: str = "test_planted.py", **given: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest in an empty directory, on one file of tests below the conftest of this tree."""
    (directory / "tests").mkdir()
    (directory / "tests" / "__init__.py").touch()
    for shared in ("conftest.py", "faults.py"):
        shutil.copy(ROOT / "tests" / shared, directory / "tests")
    (directory / "tests" / name).parent.mkdir(exist_ok=True)
    (directory / "tests" / name).write_text(test)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI", SEED))}
    words = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(directory), *options]
    return subprocess.run(
        ["sh", "-c", f'{prefix} exec "$@"', "sh", *words, "tests"],
        cwd=directory,
        env=environment | given,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("options", [SERIAL, PARALLEL], ids=["serial", "parallel"])
@pytest.mark.parametrize(("given", "status"), [({}, 0), ({"CI": "true"}, 1)], ids=["here", "in-ci"])
def test_absent_program_is_named_and_fails_the_run_in_ci(
    tmp_path: Path, options: tuple[str, ...], given: dict[str, str], status: int
) -> None:
    done = run(tmp_path, ABSENT, *options, **given)
    assert done.returncode == status, done.stdout + done.stderr
    assert "    1 tests without the program a-program-that-nobody-has" in done.stdout
    assert "1 passed, 1 skipped in" in done.stdout


def test_tests_of_a_group_run_in_one_worker(tmp_path: Path) -> None:
    done = run(tmp_path, GROUPED, *PARALLEL, name="netns/test_packets.py")
    assert done.returncode == 0, done.stdout + done.stderr
    workers = (tmp_path / "workers").read_text().split()
    assert len(workers) == 20
    assert len(set(workers)) == 1


def test_tests_that_share_a_fixture_are_in_one_group(request: pytest.FixtureRequest) -> None:
    """Of all that this run has collected: a new fixture of a module or of the session needs a place in `GROUPS`."""
    groups: dict[str, set[str]] = {}
    for item in request.session.items:
        if shared := shared_by(item):
            groups.setdefault(shared, set()).add(group_of(item.nodeid))
    assert [shared for shared, named in groups.items() if len(named) > 1] == []


def test_fork_bombs_of_two_files_are_one_group() -> None:
    tests = (
        "tests/commands/handlers/test_misbehaving.py::test_one[user]",
        "tests/commands/store/test_killed.py::test_one",
    )
    assert {group_of(test) for test in tests} == {"tests/commands/"}


@pytest.mark.parametrize("options", [SERIAL, PARALLEL], ids=["serial", "parallel"])
def test_what_tests_start_has_default_signals_in_a_background_job(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run(tmp_path, STARTED, *options, prefix="trap '' INT QUIT HUP;")
    assert done.returncode == 0, done.stdout + done.stderr


def test_workers_of_a_run_share_its_seed(tmp_path: Path) -> None:
    done = run(tmp_path, SEEDED, *PARALLEL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "one").read_text() == (tmp_path / "other").read_text() != ""
    assert f"{SEED}={(tmp_path / 'one').read_text()}" in done.stdout
