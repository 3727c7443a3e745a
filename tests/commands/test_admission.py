"""Rates and places."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.commands.commands import command
from warren.commands.admission import Admission, verb_of
from warren.commands.command import Actor
from warren.commands.result import Code, CommandError
from warren.ratelimit import RateLimit

pytestmark = pytest.mark.unit


def refusal(admission: Admission, actor: str, verb: str, now: float) -> Code:
    try:
        with admission.hold(command(verb, actor=Actor(actor, "ADMIN")), now):
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
    with admission.hold(command("v"), 0):
        assert admission.taken == 1
    assert admission.taken == 0


def test_place_is_held_until_the_command_is_done() -> None:
    admission = Admission(RateLimit(100), RateLimit(100), 2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(admission.hold(command("v"), 0))
        assert refusal(admission, "ada", "v", 0) == Code.QUEUE_FULL
    assert refusal(admission, "ada", "v", 0) == Code.NONE
    admission.closed = True
    assert refusal(admission, "ada", "v", 0) == Code.SHUTTING_DOWN


@pytest.mark.security
def test_dispatch_key_alone_spends_no_rate_of_an_operator() -> None:
    """It names any actor in a command without an intent."""
    rates = {"rare": 3}
    admission = Admission(RateLimit(2), RateLimit(100, lambda key: rates.get(verb_of(key))), 10)

    def read(actor: str, verb: str = "v", kid: str = "kid") -> Code:
        try:
            with admission.hold(command(verb, actor=Actor(actor, "ADMIN"), kid=kid, intent_iat=None), 0):
                return Code.NONE
        except CommandError as error:
            return error.code

    assert [read("ada"), read("bob"), read("eve")] == [Code.NONE, Code.NONE, Code.RATE_LIMITED]
    assert read("ada", kid="another") == Code.NONE
    assert [refusal(admission, "ada", "v", 0) for _ in range(3)] == [Code.NONE, Code.NONE, Code.RATE_LIMITED]
    rates["v"] = 1
    assert [read("eve", kid="third") for _ in range(2)] == [Code.NONE, Code.RATE_LIMITED]
    assert refusal(admission, "bob", "v", 0) == Code.NONE


@pytest.mark.security
def test_dispatch_key_alone_leaves_places_to_operators() -> None:
    admission = Admission(RateLimit(100), RateLimit(100), 4)
    reading = command("v", intent_iat=None)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(admission.hold(reading, 0))
        with pytest.raises(CommandError) as caught:
            held.enter_context(admission.hold(reading, 0))
        assert caught.value.code is Code.QUEUE_FULL
        assert refusal(admission, "ada", "v", 0) == Code.NONE


@pytest.mark.security
def test_dispatch_key_spends_no_rate_of_an_operator_by_an_intent_of_the_operator() -> None:
    """It delivers the intent again, in new commands and as dry runs."""
    admission = Admission(RateLimit(2), RateLimit(2, lambda key: 2 if verb_of(key) == "v" else None), 10)
    intended = command("v")

    def outcome(*, is_dry_run: bool = False) -> Code:
        try:
            with admission.hold(intended, 0, is_dry_run=is_dry_run):
                if not is_dry_run:
                    admission.count_repeat(intended, 0)
                return Code.NONE
        except CommandError as error:
            return error.code

    limited = [Code.NONE, Code.NONE, Code.RATE_LIMITED]
    assert [outcome(is_dry_run=True) for _ in range(3)] == limited
    assert [outcome() for _ in range(3)] == limited
    other = command("v", kid="another", actor=intended.actor)
    with admission.hold(other, 0), admission.hold(other, 0):
        assert admission.taken == 2
