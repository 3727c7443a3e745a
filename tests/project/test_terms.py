"""The check of terms finds a planted word, code, docstring and heading of the old language."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks import terms
from checks.terms import document_violations, public_violations, swept_violations
from checks.vocabulary import banned_in_name
from tests.project.conftest import Tree

BANNED = "do" + "or"

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"class Local{BANNED.title()}:\n    pass\n", "in the name"),
        (f"def open_{BANNED}():\n    pass\n", "in the name"),
        (f"TEXT = 'made for another {BANNED}'\n", "in a text"),
        ("log.warning('peerlost')\n", "log event 'peerlost'"),
        ("raise StateError('x', code='Lost')\n", "error code 'Lost'"),
        ("yield Condition('lost', 'x')\n", "condition 'lost'"),
    ],
)
def test_a_planted_public_term_is_found(text: str, problem: str) -> None:
    found = [str(violation) for violation in public_violations("src/warren/planted.py", text)]
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize("line", [f"The {BANNED} is open.", "# Who may say what", "## 3. What it does"])
def test_a_planted_line_of_a_document_is_found(line: str) -> None:
    assert len(list(document_violations("docs/planted.md", line))) == 1


def test_a_comment_in_a_block_of_code_is_no_heading() -> None:
    assert list(document_violations("docs/planted.md", "```sh\n# What it prints\n```\n")) == []


def test_each_part_of_a_name_is_a_word() -> None:
    assert [word for word, _ in banned_in_name(f"Local{BANNED.title()}s")] == [f"{BANNED.title()}s"]
    assert list(banned_in_name("outdoors")) == []


@pytest.mark.integration
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('def plan() -> None:\n    """What is to be done."""\n', "docstring is a fragment"),
        ('def plan() -> None:\n    """Returns the plan."""\n', "D401"),
        (f"_{BANNED} = 1\n", "the standard term"),
    ],
)
def test_a_planted_module_that_is_not_swept_is_found(tree: Tree, text: str, problem: str) -> None:
    path = "src/warren/tunnel/planted.py"
    tree.plant(path, f'"""Planted."""\n\n{text}')
    assert problem in next(each.problem for each in swept_violations(tree.root) if each.path == path)


def test_the_list_of_unswept_modules_names_no_module_twice() -> None:
    unswept = (Path(terms.ROOT) / terms.UNSWEPT).read_text().split()
    assert unswept == sorted(set(unswept))
    assert len(unswept) <= terms.UNSWEPT_LIMIT
