"""What docs/operations/threat-model.md names as the test of a claim is there."""

from __future__ import annotations

import re

import pytest

from tests.project.conftest import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.security]

PAGE = (ROOT / "docs/operations/threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))
SECTIONS = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")[1:]}
WITHOUT_TESTS = {"Attackers of parts that do not exist yet", "Not protected"}


@pytest.mark.parametrize(("path", "test"), NAMED, ids=["::".join(pair) for pair in NAMED])
def test_named_test_of_the_threat_model_exists(path: str, test: str) -> None:
    text = (ROOT / path).read_text()
    assert not test or re.search(rf"\bdef {test}\b", text)


def test_every_attacker_has_a_claim_and_each_claim_a_test() -> None:
    for title in SECTIONS.keys() - WITHOUT_TESTS:
        claims = SECTIONS[title].partition("| cannot")[2].partition("\n\n")[0].splitlines()[2:]
        assert claims, title
        assert [claim for claim in claims if "`tests/" not in claim] == []


def test_every_file_of_attacks_is_in_the_threat_model() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/attacks").glob("test_*.py")}
    assert files - {path for path, _ in NAMED} == set()


@pytest.mark.parametrize("document", ["README.md", "SECURITY.md"])
def test_documents_lead_to_the_threat_model(document: str) -> None:
    path = ROOT / ("docs" if document == "README.md" else "") / document
    assert "operations/threat-model.md" in path.read_text()
