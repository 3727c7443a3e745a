"""What a test in the guest came to. There this is a plugin of pytest, which writes verdicts; here they are read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

FILE = Path("verdicts")  # where pytest was started


@dataclass(frozen=True, slots=True)
class Verdict:
    """One test: its node id, passed, failed or skipped, and why if not passed."""

    test: str
    outcome: str
    seconds: float
    text: str

    @property
    def module(self) -> str:
        """The test's file."""
        return self.test.partition("::")[0]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Appends a line for each test that ended, and for each set-up or tear-down that did not pass."""
    if report.when != "call" and report.passed:
        return
    text = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else report.longreprtext
    captured = "".join(f"\n--- {title}\n{content}" for title, content in report.sections) if report.failed else ""
    verdict = Verdict(report.nodeid, report.outcome, report.duration, text.removeprefix("Skipped: ") + captured)
    with FILE.open("a") as out:
        out.write(json.dumps(asdict(verdict)) + "\n")


def read_verdicts(folder: Path) -> list[Verdict]:
    """What a pytest started in this folder has written; nothing if it did not come so far."""
    file = folder / FILE
    return [Verdict(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
