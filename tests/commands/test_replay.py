"""A command is run once, whatever comes again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.commands.sandbox_requests import NOW, ORDER, result
from warren.commands.command import Actor
from warren.commands.replay import Accepted, InProgress, ReplayState, SeenCommand, State, Stored, decide, interrupted
from warren.commands.result import Code, CommandError, Status

pytestmark = [pytest.mark.unit, pytest.mark.security]

FRESH = ReplayState(begun=NOW - 3600, nonce_seen=False, known=None, live=0, limit=10)
RUNNING = SeenCommand("c-1", ORDER.verb, "operator", ORDER.kid, "n-0", ORDER.args_sha256, State.ACCEPTED)
DONE = replace(RUNNING, state=State.DONE, result=result(ORDER))


def refusal(memory: ReplayState) -> Code:
    with pytest.raises(CommandError) as caught:
        decide(ORDER, memory)
    assert caught.value.status is Status.DENIED
    return caught.value.code


def test_unseen_command_is_accepted() -> None:
    assert decide(ORDER, FRESH) == Accepted()


def test_retry_with_fresh_nonce_gets_stored_result() -> None:
    assert decide(ORDER, replace(FRESH, known=DONE)) == Stored(result(ORDER))


def test_retry_of_running_command_is_in_progress() -> None:
    assert decide(ORDER, replace(FRESH, known=RUNNING)) == InProgress()


@pytest.mark.parametrize("known", [None, RUNNING, DONE])
def test_used_nonce_is_always_a_replay(known: SeenCommand | None) -> None:
    assert refusal(replace(FRESH, nonce_seen=True, known=known)) is Code.REPLAY_DETECTED


def test_nonce_of_known_command_is_a_replay_after_its_row_expired() -> None:
    assert refusal(replace(FRESH, known=replace(DONE, nonce=ORDER.nonce))) is Code.REPLAY_DETECTED


@pytest.mark.parametrize(
    "other",
    [replace(DONE, args_sha256="0" * 64), replace(DONE, verb="list_users"), replace(DONE, actor="another")],
    ids=["arguments", "verb", "actor"],
)
def test_corr_id_of_different_command_is_a_replay(other: SeenCommand) -> None:
    assert refusal(replace(FRESH, known=other)) is Code.REPLAY_DETECTED


@pytest.mark.parametrize("known", [None, RUNNING, DONE])
def test_full_store_rejects_new_commands(known: SeenCommand | None) -> None:
    assert refusal(replace(FRESH, live=10, known=known)) is Code.QUEUE_FULL


@pytest.mark.parametrize(("began", "is_taken"), [(NOW - 1, True), (NOW, False)])
def test_command_signed_before_the_record_begins_is_rejected(began: int, is_taken: bool) -> None:
    memory = replace(FRESH, begun=began)
    if is_taken:
        assert decide(ORDER, memory) == Accepted()
    else:
        assert refusal(memory) is Code.EXPIRED_TOKEN


def test_interrupted_command_has_result() -> None:
    said = interrupted(RUNNING, "gateway-001", NOW)
    assert (said.corr_id, said.verb, said.status, said.error_code) == ("c-1", ORDER.verb, "ERROR", "INTERRUPTED")
    assert decide(
        replace(ORDER, actor=Actor("operator", "ADMIN")), replace(FRESH, known=replace(DONE, result=said))
    ) == Stored(said)
