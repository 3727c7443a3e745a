"""What every test stands on: markers that name a test's needs, and an end that names what the machine lacked.

A test is skipped for one reason only, that something is absent here; with `CI` set in the environment every such
absence fails the run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from functools import cache

import hypothesis
import pytest

# No deadline: a slow machine is not a defect. `make soak` asks for the second profile.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=20_000)
hypothesis.settings.load_profile("default")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are absent, with what is absent as the reason."""
    if item.get_closest_marker("root") and not namespaces_allowed():
        pytest.skip("network namespaces (run as root, or under `unshare -Urnm`)")
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if shutil.which(program) is None:
                pytest.skip(f"the program {program}")


@cache
def namespaces_allowed() -> bool:
    """Whether this process may make a network namespace and name it."""
    return os.geteuid() == 0 and _runs("unshare", "--net", "true")


def _runs(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what was absent, with how many tests it cost."""
    absent = absences(config)
    if not absent:
        return
    terminalreporter.section("absent on this machine" + (", which fails the run (CI is set)" if in_ci() else ""))
    for reason, tests in absent.most_common():
        terminalreporter.line(f"{tests:5} tests without {reason}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI an absence is a failure."""
    if in_ci() and exitstatus == pytest.ExitCode.OK and absences(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def absences(config: pytest.Config) -> Counter[str]:
    """The reasons of all skips so far, and how often each was given."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)


def in_ci() -> bool:
    """Whether an absence counts as a failure."""
    return bool(os.environ.get("CI"))
