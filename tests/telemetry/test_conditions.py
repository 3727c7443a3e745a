"""The registry of conditions, held against the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import warren
from warren.errors import EngineError, HostError
from warren.telemetry.conditions import CONDITIONS, ROWS, Condition, Severity

pytestmark = pytest.mark.unit
SOURCES = Path(warren.__file__).parent


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the dotted text of what is called."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def condition_names(source: str) -> Iterator[str]:
    """Yield the names of the conditions that a source makes; "(computed)" for one that is not a literal."""
    for function, call in calls(source):
        if function == "Condition":
            argument: ast.expr | None = call.args[0] if call.args else None
        elif function == "Condition.of_error":
            argument = call.args[1] if len(call.args) > 1 else None
        else:
            continue
        yield str(argument.value) if isinstance(argument, ast.Constant) else "(computed)"


def error_codes(source: str) -> Iterator[str]:
    """Yield the literal error codes that a source raises."""
    for _, call in calls(source):
        for keyword in call.keywords:
            if keyword.arg == "code":
                yield from (
                    node.value
                    for node in ast.walk(keyword.value)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                )


def sources() -> Iterator[str]:
    """Yield every module of the package."""
    yield from (path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))


def test_every_condition_in_the_code_is_a_row() -> None:
    names = {name for source in sources() for name in condition_names(source)}
    assert names <= CONDITIONS.keys()


def test_every_row_is_used_in_the_code() -> None:
    used = {name for source in sources() for name in (*condition_names(source), *error_codes(source))}
    assert used >= CONDITIONS.keys()


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ('Condition("made.up", "a sentence")', "made.up"),
        ('Condition.of_error(error, "made.up")', "made.up"),
        ("Condition(error.code, str(error))", "(computed)"),
    ],
)
def test_planted_condition_without_a_row_is_found(planted: str, name: str) -> None:
    assert [*condition_names(planted)] == [name]


def test_names_are_unique_sorted_and_state_a_noun() -> None:
    names = [row.name for row in ROWS]
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"[a-z][a-z_]*\.[a-z][a-z_]*", name) for name in names)


def test_every_row_has_one_whole_sentence_and_a_hint() -> None:
    for row in ROWS:
        assert re.fullmatch(r"[A-Z`].*[^.]\.", row.meaning), row.name
        assert row.hint, row.name


def test_condition_of_an_error_has_its_code_if_that_is_a_row() -> None:
    condition = Condition.of_error(
        HostError("resolv.conf has changed", code="dns.changed", hint="check it"), "dns.refused"
    )
    assert (condition.name, condition.severity) == ("dns.changed", Severity.INFO)
    assert condition.sentence == "resolv.conf has changed; check it"


def test_condition_of_another_error_has_the_fallback_name() -> None:
    condition = Condition.of_error(EngineError("it failed", code="engine.failed", hint="retry"), "dns.refused")
    assert condition == Condition("dns.refused", "it failed; retry")


def test_condition_names_its_subject() -> None:
    condition = Condition("peer.pending", "vpn.example.org does not resolve").about("network home, peer far")
    assert condition.sentence == "network home, peer far: vpn.example.org does not resolve"
