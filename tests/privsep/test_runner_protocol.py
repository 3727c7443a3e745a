"""Messages between an agent and its runner have closed shapes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.dry_run import DryRun
from warren.commands.result import Code, Result, Status
from warren.errors import HostError, InputError
from warren.privsep.runner_protocol import (
    MESSAGES,
    Cancel,
    ErrorMessage,
    Event,
    Execute,
    Message,
    MessageRow,
    Output,
    Preview,
    Rejection,
    ResultMessage,
    encode_message,
    message_table,
    parse_message,
)

pytestmark = [pytest.mark.unit, pytest.mark.security]

RESULT = Result("c-1", "gateway-001", "list_users", Status.ERROR, Code.EXEC_FAILED, 1_700_000_000, data={"a": [1]})
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DATA = st.dictionaries(TEXT, st.integers(0, 9))
OUTCOMES = st.one_of(
    st.builds(DryRun, st.lists(TEXT, max_size=3).map(tuple), TEXT, DATA),
    st.builds(Rejection, st.sampled_from(Code), st.sampled_from(Status), TEXT),
)
MESSAGES_SENT = st.one_of(
    st.builds(Execute, st.integers(0, 9), TEXT, TEXT, TEXT, TEXT, st.booleans()),
    st.builds(Cancel, TEXT, st.sampled_from(Code), TEXT),
    st.builds(Output, TEXT, st.binary(max_size=20)),
    st.builds(Event, TEXT, DATA),
    st.builds(ResultMessage, st.integers(0, 9), st.just(RESULT)),
    st.builds(Preview, st.integers(0, 9), OUTCOMES),
)


@given(MESSAGES_SENT)
def test_each_message_arrives_as_it_was_sent_on_one_line(message: Message) -> None:
    line = encode_message(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_message(line) == message


def test_an_error_arrives_as_it_was_raised() -> None:
    sent = HostError("no identity", code="identity.missing", errno=2, hint="make one")
    arrived = parse_message(encode_message(ErrorMessage(sent)))
    assert isinstance(arrived, ErrorMessage)
    error = arrived.error
    assert (str(error), error.code, error.errno, error.hint) == ("no identity", "identity.missing", 2, "make one")


def test_names_on_the_wire() -> None:
    assert [row.name for row in MESSAGES] == ["Execute", "Cancel", "Output", "Event", "Result", "Preview", "Error"]


EXECUTE = {
    "op": "Execute",
    "number": 1,
    "envelope": "e",
    "transport": "local",
    "sid": "s",
    "source": "agent",
    "dry_run": False,
}


@pytest.mark.parametrize(
    "members",
    [
        {"number": "1"},
        {"number": True},
        {"dry_run": 1},
        {"envelope": None},
        {"envelope": "\ud800"},
        {"more": 1},
        {"op": "Run"},
        {"op": ["Execute"]},
    ],
)
def test_an_execute_with_another_shape_is_rejected(members: dict[str, object]) -> None:
    assert isinstance(parse_message(json.dumps(EXECUTE).encode()), Execute)
    with pytest.raises(InputError, match=r"^malformed runner message$"):
        parse_message(json.dumps(EXECUTE | members).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"op":"Cancel"}',
        b'{"op":"Cancel","corr_id":"c","code":"NO_CODE","reason":""}',
        b'{"op":"Output","corr_id":"c","octets":"?"}',
        b'{"op":"Preview","number":1,"outcome":{}}',
        b'{"op":"Preview","number":1,"outcome":{"dry_run":{"effects":[],"problem":""}}}',
        b'{"op":"Error","error":{"kind":"SystemExit","problem":"","code":"","errno":null,"hint":""}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_everything_else_is_rejected(line: bytes) -> None:
    with pytest.raises(InputError):
        parse_message(line)


def test_a_message_is_added_by_one_row_with_the_fields_of_its_class() -> None:
    with pytest.raises(ValueError, match="different fields"):
        message_table(*MESSAGES, MessageRow("Planted", Cancel, {}))
