"""What docs/requirements.md names as a requirement's test is there."""

from __future__ import annotations

import re

import pytest

from tests.project.conftest import ROOT

pytestmark = pytest.mark.unit

NAMED = re.findall(r"`((?:tests|rust)/[\w/]+\.(?:py|rs))(?:::(\w+))?`", (ROOT / "docs" / "requirements.md").read_text())


@pytest.mark.parametrize(("path", "test"), NAMED, ids=["::".join(pair) for pair in NAMED])
def test_named_test_exists(path: str, test: str) -> None:
    text = (ROOT / path).read_text()
    assert not test or re.search(rf"\b(def|fn|mod) {test}\b", text)


def test_every_row_names_a_test_or_a_reason() -> None:
    rows = re.findall(
        r"^\| ([A-Z]-\d+) \| .* \| (.+) \|$", (ROOT / "docs" / "requirements.md").read_text(), re.MULTILINE
    )
    assert rows
    assert [row for row, tests in rows if "`" not in tests and "later" not in tests] == []
