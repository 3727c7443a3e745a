"""Between an agent and its runner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.agent.runnerwords import Cancel, CarryOut, Done, Happened, Said, Word, encode_word, parse_word
from warren.commands.result import Code, Result, Status
from warren.errors import InputError

pytestmark = pytest.mark.unit

RESULT = Result("c-1", "gateway-001", "list_users", Status.ERROR, Code.EXEC_FAILED, 1_700_000_000, data={"a": [1]})
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = st.one_of(
    st.builds(CarryOut, st.integers(0, 9), TEXT, TEXT, TEXT, TEXT, st.booleans()),
    st.builds(Cancel, TEXT, TEXT, TEXT),
    st.builds(Said, TEXT, st.binary(max_size=20)),
    st.builds(Happened, TEXT, st.dictionaries(TEXT, st.integers(0, 9))),
    st.builds(Done, st.integers(0, 9), st.just(RESULT)),
)


@given(WORDS)
def test_each_comes_as_it_was_sent_on_one_line(word: Word) -> None:
    line = encode_word(word)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_word(line) == word


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"word":"Cancel"}', b'{"word":"CarryOut","number":1}', b"\xff", b"["]
)
def test_what_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(InputError):
        parse_word(line)
