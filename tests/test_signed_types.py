"""The table of signed types: in the code, on its page, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import warren
from warren.signed_types import COMMAND, TYPES, check_format

pytestmark = [pytest.mark.unit, pytest.mark.security]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/protocol/signed-types.md"
SOURCES = Path(warren.__file__).parent
LITERAL = re.compile(r'"warren-[a-z-]+\+(?:jws|webauthn)"|"warren-join\+jwt"')


def test_page_lists_the_types_of_the_code() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `warren-")]
    assert rows == [[f"`{row.typ}`", row.purpose.value, row.content, str(row.format or "reserved")] for row in TYPES]


def test_each_type_is_written_once() -> None:
    """A module takes its type from the table, so that no type can have two rows."""
    assert len({row.typ for row in TYPES}) == len(TYPES)
    for path in SOURCES.rglob("*.py"):
        if path.name != "signed_types.py":
            assert not LITERAL.findall(path.read_text()), path


@pytest.mark.parametrize("members", [{}, {"format": 2}, {"format": "1"}, {"format": True}, {"format": None}])
def test_check_format_rejects_every_other_format(members: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="format: expected 1"):
        check_format(members, COMMAND)


def test_check_format_accepts_its_own() -> None:
    check_format({"format": 1, "verb": "any"}, COMMAND)
