"""Between an agent and its runner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.result import Code, Result, Status
from warren.errors import InputError
from warren.privsep.runner_protocol import (
    Cancel,
    Event,
    Execute,
    Message,
    Output,
    ResultMessage,
    encode_message,
    parse_message,
)

pytestmark = pytest.mark.unit

RESULT = Result("c-1", "gateway-001", "list_users", Status.ERROR, Code.EXEC_FAILED, 1_700_000_000, data={"a": [1]})
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = st.one_of(
    st.builds(Execute, st.integers(0, 9), TEXT, TEXT, TEXT, TEXT, st.booleans()),
    st.builds(Cancel, TEXT, TEXT, TEXT),
    st.builds(Output, TEXT, st.binary(max_size=20)),
    st.builds(Event, TEXT, st.dictionaries(TEXT, st.integers(0, 9))),
    st.builds(ResultMessage, st.integers(0, 9), st.just(RESULT)),
)


@given(WORDS)
def test_each_comes_as_it_was_sent_on_one_line(word: Message) -> None:
    line = encode_message(word)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_message(line) == word


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"op":"Cancel"}', b'{"op":"Execute","number":1}', b"\xff", b"["])
def test_what_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(InputError):
        parse_message(line)
