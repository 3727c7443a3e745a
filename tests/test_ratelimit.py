"""Rate limits by token bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.ratelimit import MAX_BUCKETS, RateLimit

pytestmark = pytest.mark.unit


def test_bucket_is_full_at_first_and_refills_evenly() -> None:
    limit = RateLimit(2)
    assert [limit.try_take("ada", at) for at in (0, 0, 0, 29, 30, 30, 1000, 1000, 1000)] == [
        *(True, True, False),
        *(False, True, False),
        *(True, True, False),
    ]


def test_keys_have_buckets_of_their_own() -> None:
    limit = RateLimit(1)
    assert [limit.try_take(key, 0) for key in ("ada", "ada", "bob")] == [True, False, True]


def test_override_takes_effect_at_once() -> None:
    rates = {"rare": 3}
    limit = RateLimit(100, rates.get)
    assert limit.try_take("rare", 0)
    rates["rare"] = 1
    assert [limit.try_take("rare", 0) for _ in range(2)] == [True, False]
    del rates["rare"]
    assert limit.try_take("rare", 1)


def test_has_token_takes_nothing() -> None:
    limit = RateLimit(1)
    assert [limit.has_token("ada", 0) for _ in range(3)] == [True] * 3
    limit.take_token("ada", 0)
    assert not limit.has_token("ada", 0)


@given(st.integers(1, 50), st.lists(st.floats(0, 100), max_size=200).map(sorted))
def test_no_minute_exceeds_a_full_bucket_and_its_refill(rate: int, times: list[float]) -> None:
    limit = RateLimit(rate)
    taken = [at for at in times if limit.try_take("ada", at)]
    for start in taken:
        assert sum(start <= at < start + 60 for at in taken) <= 2 * rate


def test_number_of_buckets_is_bounded() -> None:
    limit = RateLimit(1)
    for number in range(3 * MAX_BUCKETS):
        limit.take_token(str(number), 0)
    assert len(limit._buckets) == MAX_BUCKETS
