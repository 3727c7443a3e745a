"""The bench of verifications measures what it says."""

from __future__ import annotations

import pytest

import verifying

pytestmark = pytest.mark.integration


def test_each_contestant_is_measured() -> None:
    rates = verifying.verifications(1)
    assert rates.keys() == {verifying.WHOLE, verifying.READING, verifying.FLOOR}
    assert all(rate > 0 for rate in rates.values())
