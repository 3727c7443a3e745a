"""Every pattern that keeps a test out of the guests still fits a test."""

from __future__ import annotations

import re

import pytest

from tests.netns.engine import TREE

from .suite import ELSEWHERE, SCENARIO, TOO_MUCH

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("pattern", [*ELSEWHERE, *TOO_MUCH])
def test_pattern_fits_the_name_or_a_parameter_of_a_test(pattern: str) -> None:
    source = "".join(path.read_text() for path in (TREE / SCENARIO).glob("test_*.py"))
    assert re.search(rf"def (?:test_)?\w*{pattern}", source)
