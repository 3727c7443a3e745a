"""Every decision record has the same form and is listed in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.conftest import ROOT

pytestmark = pytest.mark.unit

DECISIONS = ROOT / "docs" / "decisions"
RECORDS = sorted(DECISIONS.glob("0*.md"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_a_record_has_context_decision_and_consequences(record: Path) -> None:
    text = record.read_text()
    number = record.name[:4]
    assert re.match(rf"# {number} · \S", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert f"| [{number}]({record.name}) |" in (DECISIONS / "README.md").read_text()


def test_numbers_are_consecutive() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == [*range(1, len(RECORDS) + 1)]
