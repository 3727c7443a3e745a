"""The verifier: what it lets pass, and each rule of its table by what it refuses."""

from __future__ import annotations

import pytest

from tests.trust.parties import (
    CONTEXT,
    CORR_ID,
    DISPATCHER,
    LIST,
    NOW,
    SENDING,
    SID,
    STOP,
    signed,
    with_intent,
)
from warren.commands.command import Actor
from warren.commands.verify import verify_command

pytestmark = pytest.mark.unit


def test_an_operators_word_passes_whole() -> None:
    text = signed(with_intent(STOP))
    command = verify_command(text, CONTEXT)
    assert command.envelope == text
    assert command.kid == DISPATCHER.public.kid
    assert (command.corr_id, command.nonce) == (CORR_ID, SENDING.nonce)
    assert (command.verb, command.args) == ("stop_container", {"container_id": "0123456789ab"})
    assert command.actor == Actor("alice", "ADMIN")
    assert (command.door, command.sid, command.iat, command.exp) == ("local", SID, NOW, NOW + 60)
    assert command.has_intent


def test_what_reads_needs_no_intent() -> None:
    command = verify_command(signed(LIST), CONTEXT)
    assert (command.verb, command.has_intent) == ("list_users", False)
