"""What every test stands on: markers that name a test's needs, the order and the groups of a parallel run, and an end
that names what the machine lacked.

A test is skipped for one reason only, that something is absent here; with `CI` set in the environment every such
absence fails the run.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from functools import cache

import hypothesis
import pytest

from tests.faults import SEED, choose_seed

# No deadline: a slow machine is not a defect. `make soak` asks for the second profile.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=20_000)
hypothesis.settings.load_profile("default")

# Python ignores these two for itself, and gives its children their defaults.
IGNORED_BY_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}

# What waits longest, as nodeids begin: a parallel run starts it first and has something to do beside it. What is not
# named comes last, in pytest's own order.
FIRST = (
    "tests/qemu/test_suite.py",
    "tests/qemu",
    "tests/netns/test_rekey.py",
    "tests/scenario/test_secrets.py",
    "tests/scenario/test_untouched.py",
    "tests/scenario/test_vpn_users.py",
    "tests/scenario/test_failover.py",
    "tests/scenario/test_edge_cases.py",
    "tests/commands/store",
    "tests/project",
    "tests/scenario",
    "tests/demo",
    "tests/commands/handlers/test_misbehaving.py",
    "tests/commands/providers/test_engine.py",
    "tests/tunnel/io",
    "tests/netns",
    "tests/cli",
    "tests/agent",
    "tests/privsep",
)
# Tests that share what is made once or what only one may use at a time, as patterns of nodeids: they run in one worker,
# in order. What a pattern captures is the group's name. Every fixture of a module or of the session has its place here.
GROUPS = (
    r"(tests/qemu/)",  # two guests
    r"(tests/project/)",  # one copy of the tree
    r"(tests/netns/test_packets\.py)",
    r"(tests/netns/test_wgquick_reader\.py)",  # one host
    r"(tests/attacks/test_hostile_program\.py)",  # one run of all attempts
    r"(tests/commands/providers/test_engine\.py)",  # one dockerd
    r"(tests/commands/)(?:handlers/test_misbehaving|store/test_killed)\.py",  # fork bombs: one at a time
)


def restore_signals() -> None:
    """Give each signal that this process inherited as ignored its default disposition, so that what tests start has it.

    A shell without job control starts its background jobs with SIGINT and SIGQUIT ignored, nohup with SIGHUP.
    """
    for number in signal.valid_signals() - IGNORED_BY_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


# Both as this file is imported, in the process that starts the workers of a parallel run as well as in each of them.
restore_signals()
choose_seed()


def pytest_report_header() -> str:
    """Name the seed of the crash tests."""
    return f"sample of crashes: {SEED}={choose_seed()}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort what waits longest to the front, in a worker of a parallel run."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))


def rank(test: str) -> int:
    """Return a test's place in the order of `FIRST`."""
    return next((place for place, start in enumerate(FIRST) if test.startswith(start)), len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give a test of `GROUPS` to the worker that has the others of its group, any other to the next that is free.

    xdist's own `--dist=loadgroup` writes the group into the nodeid, which pytest 9.2 does not take any more.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - the guests of tests/qemu do not have it

    class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc] # of unknown type
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return GroupScheduling(config, log)


def group_of(test: str) -> str:
    """Return the name of a test's group; a test that has none is a group of its own."""
    for pattern in GROUPS:
        if found := re.match(pattern, test):
            return found[1]
    return test


def shared_by(item: pytest.Item) -> str:
    """Return the name, with module and parameter, of the fixture that a test shares with others, or nothing.

    A fixture of a module or of the session is made once in each worker. Of several the one counts that the others are
    made from, which pytest finds last.
    """
    info, callspec = getattr(item, "_fixtureinfo", None), getattr(item, "callspec", None)
    shared = ""
    for name, definitions in info.name2fixturedefs.items() if info else ():
        definition = definitions[-1]
        if definition.scope in ("module", "session") and definition.func.__module__.startswith("tests."):
            module = item.nodeid.partition("::")[0] if definition.scope == "module" else ""
            shared = f"{module}:{name}:{callspec.params.get(name, '') if callspec else ''}"
    return shared


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
    """Return whether this process may make a network namespace and name it."""
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
    """Fail the run for an absence, in CI."""
    if in_ci() and exitstatus == pytest.ExitCode.OK and absences(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def absences(config: pytest.Config) -> Counter[str]:
    """Return the reasons of all skips so far, those in workers included, and how often each was given."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)


def in_ci() -> bool:
    """Return whether an absence counts as a failure."""
    return bool(os.environ.get("CI"))
