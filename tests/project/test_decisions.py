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


def test_each_number_is_used_once_and_the_index_is_in_their_order() -> None:
    """Numbers are reserved for work in progress, so one may be missing until that work is done."""
    numbers = [record.name[:4] for record in RECORDS]
    assert len(set(numbers)) == len(numbers)
    assert re.findall(r"^\| \[(\d{4})\]", (DECISIONS / "README.md").read_text(), re.MULTILINE) == numbers
