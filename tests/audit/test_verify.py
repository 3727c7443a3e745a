"""Whatever is done to a log is found, and at its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.audit.logs import KEY, heads, seal, verdict, write
from warren.audit.chain import EMPTY, Head
from warren.audit.verify import Verdict
from warren.jws import SigningKey

pytestmark = [pytest.mark.unit, pytest.mark.security]

COUNT = 12
LINES = write(COUNT)
HEADS = heads(LINES)
TOKENS = seal([HEADS[5], HEADS[COUNT]])
THIEF = SigningKey(b"\x09" * 32)
positions = st.integers(0, COUNT - 1)


def places(found: Verdict) -> set[int]:
    """The lines that are named, counted from 1."""
    return {fault.place.line for fault in found.faults if fault.place.file == "log"}


def test_a_log_is_as_it_was_written() -> None:
    found = verdict(LINES, TOKENS, [TOKENS[1]])
    assert (found.first, found.head, found.sealed, found.faults) == (1, HEADS[COUNT], COUNT, ())


def test_an_empty_log_is_one() -> None:
    assert verdict([]) == Verdict(0, EMPTY, 0, ())


def test_what_is_behind_the_last_checkpoint_is_told_apart() -> None:
    assert verdict(LINES, TOKENS[:1]).sealed == 5


@given(positions, st.data())
def test_an_edited_line(index: int, data: st.DataObject) -> None:
    line = LINES[index]
    where = data.draw(st.integers(0, len(line) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda octet: octet not in (line[where], 10)))
    edited = line[:where] + bytes([octet]) + line[where + 1 :]
    assert index + 1 in places(verdict([*LINES[:index], edited, *LINES[index + 1 :]], TOKENS))


@given(positions, st.integers(1, COUNT))
def test_removed_lines(index: int, count: int) -> None:
    assume((index, count) != (0, 5))  # as retention does it: see below
    rest = [*LINES[:index], *LINES[index + count :]]
    found = verdict(rest, TOKENS)
    assert {fault.place.line for fault in found.faults} == {min(index + 1, len(rest))}
    assert "missing" in str(found.faults) or "was cut" in str(found.faults)


@given(positions, st.integers(0, COUNT), st.integers(1, 3))
def test_lines_put_in(source: int, index: int, count: int) -> None:
    put_in = LINES[source : source + count]
    found = verdict([*LINES[:index], *put_in, *LINES[index:]], TOKENS)
    assert places(found) & set(range(index + 1, index + len(put_in) + 2))


@given(positions, st.binary(max_size=80).filter(lambda line: b"\n" not in line))
def test_a_line_of_anything_put_in(index: int, line: bytes) -> None:
    assert places(verdict([*LINES[:index], line, *LINES[index:]], TOKENS)) == {index + 1}


@given(st.permutations(range(COUNT)))
def test_lines_in_another_order(order: list[int]) -> None:
    assume(order != list(range(COUNT)) and order[0] != 5)  # a log may begin behind its first checkpoint
    first = next(index for index, each in enumerate(order) if index != each)
    assert places(verdict([LINES[each] for each in order], TOKENS)) & {first + 1, first + 2}


@given(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1))
def test_all_lines_written_anew_from_one_on_meet_the_next_checkpoint(index: int, beyond: int) -> None:
    forged = [*LINES[:index], *write(COUNT - index + beyond, HEADS[index], word="status.forged")]
    found = verdict(forged, TOKENS)
    assert places(found) == {5, COUNT} if index < 5 else {COUNT}
    assert "are not those it saw" in str(found.faults)


@given(st.integers(0, COUNT - 1))
def test_a_log_that_was_cut_with_its_checkpoints_meets_the_anchor(length: int) -> None:
    cut, left = LINES[:length], [token for token, n in zip(TOKENS, (5, COUNT), strict=True) if n <= length]
    assert verdict(cut, left).faults == ()
    found = verdict(cut, left, [TOKENS[1]])
    assert [fault.n for fault in found.faults] == [length]
    assert "was cut" in str(found.faults[0])


def test_another_log_with_the_node_s_own_key_meets_the_anchor() -> None:
    others = write(COUNT + 1, word="status.forged")
    tokens = seal([heads(others)[-1]], KEY)
    assert verdict(others, tokens).faults == ()
    assert "signs another log" in str(verdict(others, tokens, [TOKENS[1]]).faults)


def test_a_checkpoint_of_another_key_proves_nothing() -> None:
    found = verdict(LINES, seal([HEADS[COUNT]], THIEF))
    assert found.sealed == 0
    assert "its key is not trusted" in str(found.faults)


def test_a_checkpoint_that_was_left_out_is_missed() -> None:
    tokens = seal([HEADS[3], HEADS[6], HEADS[9]])
    assert [fault.n for fault in verdict(LINES, [tokens[0], tokens[2]]).faults] == [9]


def test_a_log_whose_begin_was_deleted_is_proven_by_the_checkpoint_there() -> None:
    found = verdict(LINES[5:], TOKENS)
    assert (found.first, found.faults) == (6, ())
    assert [fault.n for fault in verdict(LINES[4:], TOKENS).faults] == [5]
    assert [fault.n for fault in verdict(LINES[5:], seal([HEADS[3], HEADS[5]])).faults] == [6]


def test_numbers_that_are_none() -> None:
    for n in (0, -1, True, 1.0, "1", None):
        members = json.loads(LINES[0]) | {"n": n}
        assert places(verdict([json.dumps(members).encode(), *LINES[1:]])) == {1}


def test_a_fault_says_where() -> None:
    found = verdict([*LINES[:3], *LINES[4:]])
    assert str(found.faults[0]) == "log:4: entry 5: entry 4 is missing before it"


def test_heads_are_those_of_the_document() -> None:
    assert HEADS[0] == Head(0, "0" * 64)
