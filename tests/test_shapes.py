"""Closed schemas: accepted and rejected values, and the messages."""

from __future__ import annotations

import re

import pytest

from warren.shapes import Shape, anything, array, choice, record, table, text, whole

pytestmark = pytest.mark.unit

NAME = text("[a-z]{1,8}", "1 to 8 of a-z")
SHAPE = record(
    {"name": NAME, "level": whole(0, 3)},
    {
        "transports": array(choice("local", "http"), 1, 2),
        "rates": table(NAME, whole(1, 60), 2),
        "args": anything,
        "peer": record({"x": NAME}),
    },
)
GOOD: dict[str, object] = {"name": "alice", "level": 3}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"transports": ["local", "http"]},
        {"rates": {}},
        {"rates": {"a": 1, "b": 60}},
        {"args": {"a": [1]}},
        {"peer": {"x": "y"}},
    ],
)
def test_shape_accepts_matching_value(more: dict[str, object]) -> None:
    SHAPE(GOOD | more, "")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], ": expected an object"),
        ({"level": 1}, "name: missing"),
        (GOOD | {"extra": 1}, "'extra': unknown member; expected name, level, transports, rates, args, peer"),
        (GOOD | {"x" * 100: 1}, f"'{'x' * 64}': unknown member"),
        (GOOD | {"name": "Alice"}, "name: expected 1 to 8 of a-z"),
        (GOOD | {"name": "alice\n"}, "name: expected 1 to 8 of a-z"),
        (GOOD | {"name": None}, "name: expected 1 to 8 of a-z"),
        (GOOD | {"level": 4}, "level: expected a whole number from 0 to 3"),
        (GOOD | {"level": True}, "level: expected a whole number"),
        (GOOD | {"level": 1.0}, "level: expected a whole number"),
        (GOOD | {"transports": []}, "transports: expected a list of 1 to 2"),
        (GOOD | {"transports": "local"}, "transports: expected a list"),
        (GOOD | {"transports": ["local", "local"]}, "transports[1]: duplicate"),
        (GOOD | {"transports": ["serial"]}, "transports[0]: expected local or http"),
        (GOOD | {"transports": [["local"]]}, "transports[0]: expected local or http"),
        (GOOD | {"rates": {"A": 1}}, "rates: 'A': expected 1 to 8 of a-z"),
        (GOOD | {"rates": {"a": 0}}, "rates.a: expected a whole number from 1 to 60"),
        (GOOD | {"rates": {"a": 1, "b": 1, "c": 1}}, "rates: expected an object of at most 2 members"),
        (GOOD | {"args": "{}"}, "args: expected an object"),
        (GOOD | {"peer": {}}, "peer.x: missing"),
        (GOOD | {"peer": {"x": "y", "z": 1}}, "peer.'z': unknown member; expected x"),
    ],
)
def test_shape_rejects_value_with_location(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        SHAPE(value, "")


@pytest.mark.security
@pytest.mark.parametrize("shape", [NAME, whole(0, 1), choice("a"), array(NAME, 0, 1), table(NAME, NAME, 1), anything])
def test_error_holds_nothing_of_the_value(shape: Shape) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        shape("a secret", "here")
    assert "a secret" not in str(refused.value)
