"""The reference pages say what the code says."""

from __future__ import annotations

import pytest

from checks import reference
from warren import errors

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_page_is_what_the_code_generates(page: str) -> None:
    assert page not in list(reference.stale_pages()), "run: python -m checks.reference --write"


def test_every_literal_error_code_has_a_hint() -> None:
    assert sorted(set(reference.raised_codes()) - set(errors.HINTS)) == []
