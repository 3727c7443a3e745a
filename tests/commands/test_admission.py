"""Rates and places."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from warren.commands.admission import Admission
from warren.commands.result import Code, CommandError
from warren.ratelimit import RateLimit

pytestmark = pytest.mark.unit


def refusal(admission: Admission, actor: str, verb: str, now: float) -> Code:
    try:
        with admission.hold(actor, verb, now):
            return Code.NONE
    except CommandError as error:
        return error.code


def test_a_rate_fills_evenly() -> None:
    admission = Admission(RateLimit(2), RateLimit(100), 10)
    assert [refusal(admission, "ada", "v", at) for at in (0, 0, 0, 29, 30, 30)] == [
        Code.NONE,
        Code.NONE,
        Code.RATE_LIMITED,
        Code.RATE_LIMITED,
        Code.NONE,
        Code.RATE_LIMITED,
    ]
    assert refusal(admission, "bob", "v", 30) == Code.NONE


def test_another_rate_counts_at_once() -> None:
    rates = {"rare": 3}
    admission = Admission(RateLimit(100), RateLimit(100, rates.get), 10)
    assert refusal(admission, "ada", "rare", 0) == Code.NONE
    rates["rare"] = 1
    assert [refusal(admission, "ada", "rare", 0) for _ in range(2)] == [Code.NONE, Code.RATE_LIMITED]
    del rates["rare"]
    assert refusal(admission, "ada", "rare", 1) == Code.NONE


def test_a_verb_has_its_own_rate() -> None:
    admission = Admission(RateLimit(100), RateLimit(100, {"rare": 1}.get), 10)
    assert [refusal(admission, "ada", "rare", 0) for _ in range(2)] == [Code.NONE, Code.RATE_LIMITED]
    assert refusal(admission, "ada", "other", 0) == Code.NONE


def test_rejected_command_takes_no_token_and_no_place() -> None:
    admission = Admission(RateLimit(2), RateLimit(100, {"rare": 1}.get), 1)
    assert refusal(admission, "ada", "rare", 0) == Code.NONE
    assert refusal(admission, "ada", "rare", 0) == Code.RATE_LIMITED
    with admission.hold("ada", "v", 0):
        assert admission.taken == 1
    assert admission.taken == 0


def test_place_is_held_until_the_command_is_done() -> None:
    admission = Admission(RateLimit(100), RateLimit(100), 2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(admission.hold("ada", "v", 0))
        assert refusal(admission, "ada", "v", 0) == Code.QUEUE_FULL
    assert refusal(admission, "ada", "v", 0) == Code.NONE
    admission.closed = True
    assert refusal(admission, "ada", "v", 0) == Code.SHUTTING_DOWN
