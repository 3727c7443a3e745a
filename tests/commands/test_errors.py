"""docs/protocol/errors.md and the program say the same of each code."""

from __future__ import annotations

import ast
import http
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.vectorfiles import BAD
from warren.commands.result import Code, Status

pytestmark = pytest.mark.unit

TREE = Path(__file__).parent.parent.parent
ROWS = [
    [cell.strip(" `") for cell in line.strip("|").split("|")]
    for line in (TREE / "docs/protocol/errors.md").read_text().splitlines()
    if line.startswith("| `")
]


def test_each_code_has_a_row_in_order() -> None:
    """Rows V-69, V-70."""
    assert [row[0] for row in ROWS] == [code.value for code in Code]


def test_each_row_is_complete() -> None:
    for code, meaning, status, fault, answer, again in ROWS:
        assert meaning
        assert again.startswith(("no", "another", "signed anew", "the same"))
        assert Status(status) is not Status.SUCCESS or code == "NONE"
        hundreds = http.HTTPStatus(int(answer)) // 100
        assert (hundreds == 2) == (code == "NONE")
        assert hundreds == {"nobody's": 2, "the node's": 5, "the caller's": 4, "the node's owner's": 4}[fault]


def test_codes_of_viworks_outbound_are_listed() -> None:
    """Row V-69."""
    seeds = "SCRIPT_NOT_FOUND VALIDATION_FAILED EXEC_TIMEOUT RATE_LIMITED INVALID_SIGNATURE EXPIRED_TOKEN"
    assert {*seeds.split(), "REPLAY_DETECTED", "UNKNOWN_VERB", "SCHEMA_MISMATCH"} <= {row[0] for row in ROWS}


def test_raised_codes_have_the_status_of_their_row() -> None:
    statuses = {row[0]: row[2] for row in ROWS}
    raised = list(_raised())
    assert len(raised) > 30
    assert [place for place, code, status in raised if statuses[code] != status] == []


def _raised() -> Iterator[tuple[str, str, str]]:
    """Where, code and status of each `CommandError(Code.X, …)` in the program."""
    for path in sorted((TREE / "src/warren").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "CommandError" and len(call.args) > 1:
                code = re.fullmatch(r"Code\.(\w+)", ast.unparse(call.args[0]))
                status = ast.unparse(call.args[2]) if len(call.args) > 2 else "Status.DENIED"
                if code:
                    yield f"{path.name}:{call.lineno}", code[1], status.removeprefix("Status.")


def test_every_code_of_the_verifier_has_a_vector() -> None:
    """Row V-69: the others are reached where they arise, behind the verifier."""
    later = {"NONE", "RATE_LIMITED", "QUEUE_FULL", "STORE_FULL", "SHUTTING_DOWN", "REPLAY_DETECTED"}
    behind = later | {"SCRIPT_NOT_FOUND", "EXEC_TIMEOUT", "EXEC_FAILED", "CANCELLED", "INTERRUPTED"}
    assert {vector.code for vector in BAD} == {code.value for code in Code} - behind
