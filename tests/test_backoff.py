"""Delays between attempts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.backoff import FATAL_CODES, TRANSIENT_CODES, Backoff, BackoffPolicy, is_fatal
from warren.errors import HINTS, ConfigError, EngineError, Finding, HostError, InputError, RemoteError, WarrenError

pytestmark = pytest.mark.unit

POLICY = BackoffPolicy.exponential(1.0, 60.0)
TRANSIENT = RemoteError("the name server did not answer", code="endpoint.unresolved")
FATAL = ConfigError([Finding("mtu", "3 is too small", "expected 1280 or more")])
DRAWS = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(
    lambda first, share, jitter: BackoffPolicy.exponential(first, first * share, jitter=jitter),
    st.floats(0.001, 100),
    st.floats(1, 1_000),
    st.floats(0, 1),
)


def without_jitter() -> float:
    return 0.0


def test_exponential_delays_double_up_to_the_cap() -> None:
    assert POLICY.delays == (1, 2, 4, 8, 16, 32, 60)


def test_exponential_policy_that_starts_at_its_cap_has_one_delay() -> None:
    assert BackoffPolicy.exponential(5.0, 5.0).delays == (5,)


def test_jitter_adds_its_share_of_the_delay() -> None:
    policy = BackoffPolicy((10.0, 100.0), jitter=0.5)
    assert [policy.delay_seconds(0, draw) for draw in (0.0, 0.5, 0.9)] == [10.0, 12.5, 14.5]


def test_listed_delays_are_exact_without_jitter() -> None:
    policy = BackoffPolicy((5.0, 15.0, 30.0, 60.0))
    assert [policy.delay_seconds(attempts, 0.7) for attempts in range(6)] == [5, 15, 30, 60, 60, 60]


@given(POLICIES, st.integers(0, 10_000), DRAWS)
def test_delay_lies_between_the_listed_delay_and_the_cap(policy: BackoffPolicy, attempts: int, draw: float) -> None:
    listed = policy.delays[min(attempts, len(policy.delays) - 1)]
    assert listed <= policy.delay_seconds(attempts, draw) <= policy.max_seconds


@given(POLICIES, st.integers(0, 100), DRAWS, DRAWS)
def test_delay_with_jitter_never_exceeds_the_next_delay(
    policy: BackoffPolicy, attempts: int, draw: float, next_draw: float
) -> None:
    assert policy.delay_seconds(attempts, draw) <= policy.delay_seconds(attempts + 1, next_draw)


@given(POLICIES, st.lists(DRAWS, min_size=1, max_size=30), st.floats(0, 1e6))
def test_backoff_is_due_exactly_when_its_delay_is_over(policy: BackoffPolicy, draws: list[float], now: float) -> None:
    backoff = Backoff(policy, iter(draws).__next__)
    for attempt, draw in enumerate(draws):
        assert backoff.is_due(now)
        delay = backoff.fail(TRANSIENT, now)
        assert delay == policy.delay_seconds(attempt, draw)
        assert not backoff.is_due(math.nextafter(backoff.retry_at, -math.inf))
        assert backoff.remaining_seconds(backoff.retry_at) == 0
        now = backoff.retry_at
    assert backoff.failures == len(draws)


def test_backoff_keeps_the_cause_until_it_is_reset() -> None:
    backoff = Backoff(POLICY, without_jitter)
    assert (backoff.cause, backoff.failures, backoff.is_due(0.0)) == (None, 0, True)
    backoff.fail(FATAL, 0.0)
    backoff.fail(TRANSIENT, 10.0)
    assert (backoff.cause, backoff.failures, backoff.retry_at) == (TRANSIENT, 2, 12.0)
    assert backoff.remaining_seconds(11.5) == 0.5
    backoff.reset()
    assert (backoff.cause, backoff.failures, backoff.is_due(11.0)) == (None, 0, True)
    assert backoff.fail(TRANSIENT, 20.0) == 1.0


def test_fatal_failure_takes_the_delay_that_the_policy_gives_it() -> None:
    backoff = Backoff(BackoffPolicy.exponential(1.0, 60.0, fatal_delay_seconds=300.0), without_jitter)
    assert backoff.fail(FATAL, 0.0) == 300.0
    assert backoff.is_fatal
    assert backoff.fail(TRANSIENT, 300.0) == 2.0
    assert not backoff.is_fatal


def test_infinite_fatal_delay_stops_the_retries_until_a_reset() -> None:
    backoff = Backoff(BackoffPolicy.exponential(1.0, 60.0, fatal_delay_seconds=math.inf), without_jitter)
    backoff.fail(FATAL, 0.0)
    assert not backoff.is_due(1e9)
    backoff.reset()
    assert backoff.is_due(0.0)


def test_fatal_failure_without_a_delay_of_its_own_follows_the_schedule() -> None:
    backoff = Backoff(POLICY, without_jitter)
    assert [backoff.fail(FATAL, 0.0) for _ in range(3)] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (FATAL, True),
        (InputError("the file is on a file system that is not mounted", code="command.unusable"), False),
        (HostError("port 51820 is in use", code="host.port_in_use"), False),
        (HostError("this process may not create an interface", code="host.not_permitted"), True),
        (TRANSIENT, False),
        (EngineError("warren-wg is not installed", code="engine.missing"), True),
        (EngineError("warren-wg exited", code="engine.failed"), False),
    ],
)
def test_error_is_fatal_only_if_a_person_must_change_something(error: WarrenError, fatal: bool) -> None:
    assert is_fatal(error) is fatal


def test_codes_of_the_classification_exist_and_do_not_overlap() -> None:
    assert HINTS.keys() >= FATAL_CODES | TRANSIENT_CODES
    assert not FATAL_CODES & TRANSIENT_CODES
