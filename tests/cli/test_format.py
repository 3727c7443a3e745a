"""Ages and sizes as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.cli.format import format_age, format_bytes

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (0, "now"),
        (0.99, "now"),
        (1, "1 second ago"),
        (12.7, "12 seconds ago"),
        (60, "1 minute ago"),
        (3_599, "59 minutes ago"),
        (7_200, "2 hours ago"),
        (86_400 * 400, "400 days ago"),
    ],
)
def test_format_age(seconds: float | None, text: str) -> None:
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (2**64 - 1, "16.0 EiB")],
)
def test_format_bytes(count: int, text: str) -> None:
    assert format_bytes(count) == text


@given(st.integers(0, 2**64 - 1))
def test_format_bytes_fits_its_column(count: int) -> None:
    assert len(format_bytes(count)) <= len("1024.0 KiB")
