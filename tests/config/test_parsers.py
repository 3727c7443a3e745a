"""Durations: whole seconds, or text with units (X-19)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.config.parsers import parse_duration
from warren.errors import ConfigError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (25, 25), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("1h30m", 5400), ("1d1s", 86_401)],
)
def test_duration_is_seconds_or_text_with_units(value: object, seconds: int) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "90",
        "-1s",
        "+1s",
        "1.5h",
        "1 h",
        "h",
        "1m1h",
        "1h1h",
        "24H",
        "1w",
        "1h\n",
        "\u0661s",
        -1,
        1.5,
        True,
        None,
        [1],
    ],
)
def test_invalid_duration_is_rejected(value: object) -> None:
    with pytest.raises(ConfigError, match="invalid duration; expected seconds, or text such as 90s"):
        parse_duration(value)


@given(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999), st.integers(0, 999))
def test_units_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    assert parse_duration(text) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds
