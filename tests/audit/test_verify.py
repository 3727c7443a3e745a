"""Verification finds every manipulation of a log, at its line."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.audit.logs import KEY, NOW, heads_of, make_checkpoints, make_lines, verdict_of
from warren.audit.chain import EMPTY, Head
from warren.audit.checkpoint import INTERVAL_LINES, INTERVAL_SECONDS, Checkpoint, sign_checkpoint
from warren.audit.verify import Verdict
from warren.jws import SigningKey

pytestmark = [pytest.mark.unit, pytest.mark.security]

COUNT = 12
LINES = make_lines(COUNT)
HEADS = heads_of(LINES)
TOKENS = make_checkpoints([HEADS[5], HEADS[COUNT]])
FOREIGN_KEY = SigningKey(b"\x09" * 32)
positions = st.integers(0, COUNT - 1)


def reported_lines(verdict: Verdict) -> set[int]:
    """Return the lines of the log in the findings, counted from 1."""
    return {finding.location.line for finding in verdict.findings if finding.location.file == "log"}


def test_verify_accepts_intact_log() -> None:
    verdict = verdict_of(LINES, TOKENS, [TOKENS[1]])
    assert (verdict.first, verdict.head, verdict.covered, verdict.findings) == (1, HEADS[COUNT], COUNT, ())


def test_verify_accepts_empty_log() -> None:
    assert verdict_of([]) == Verdict(0, EMPTY, 0, ())


def test_verify_reports_last_covered_entry() -> None:
    assert verdict_of(LINES, TOKENS[:1]).covered == 5


@given(positions, st.data())
def test_verify_finds_edited_line(index: int, data: st.DataObject) -> None:
    line = LINES[index]
    where = data.draw(st.integers(0, len(line) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda octet: octet not in (line[where], 10)))
    edited = line[:where] + bytes([octet]) + line[where + 1 :]
    assert index + 1 in reported_lines(verdict_of([*LINES[:index], edited, *LINES[index + 1 :]], TOKENS))


@given(positions, st.integers(1, COUNT))
def test_verify_finds_removed_lines(index: int, count: int) -> None:
    assume((index, count) != (0, 5))  # as retention removes them: see below
    rest = [*LINES[:index], *LINES[index + count :]]
    verdict = verdict_of(rest, TOKENS)
    assert {finding.location.line for finding in verdict.findings} == {min(index + 1, len(rest))}
    assert "missing" in str(verdict.findings) or "was truncated" in str(verdict.findings)


@given(positions, st.integers(0, COUNT), st.integers(1, 3))
def test_verify_finds_inserted_copies(source: int, index: int, count: int) -> None:
    inserted = LINES[source : source + count]
    verdict = verdict_of([*LINES[:index], *inserted, *LINES[index:]], TOKENS)
    assert reported_lines(verdict) & set(range(index + 1, index + len(inserted) + 2))


@given(positions, st.binary(max_size=80).filter(lambda line: b"\n" not in line))
def test_verify_finds_inserted_garbage(index: int, line: bytes) -> None:
    assert reported_lines(verdict_of([*LINES[:index], line, *LINES[index:]], TOKENS)) == {index + 1}


@given(st.permutations(range(COUNT)))
def test_verify_finds_reordered_lines(order: list[int]) -> None:
    assume(order != list(range(COUNT)) and order[0] != 5)  # a log may start after its first checkpoint
    first = next(index for index, source in enumerate(order) if index != source)
    assert reported_lines(verdict_of([LINES[source] for source in order], TOKENS)) & {first + 1, first + 2}


@given(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1))
def test_verify_finds_rewritten_log_at_next_checkpoint(index: int, beyond: int) -> None:
    forged = [*LINES[:index], *make_lines(COUNT - index + beyond, HEADS[index], event="status.forged")]
    verdict = verdict_of(forged, TOKENS)
    assert reported_lines(verdict) == {5, COUNT} if index < 5 else {COUNT}
    assert "differ from those that" in str(verdict.findings)


@given(st.integers(0, COUNT - 1))
def test_verify_finds_log_truncated_with_its_checkpoints_by_anchor(length: int) -> None:
    rest, left = LINES[:length], [token for token, n in zip(TOKENS, (5, COUNT), strict=True) if n <= length]
    assert verdict_of(rest, left).findings == ()
    verdict = verdict_of(rest, left, [TOKENS[1]])
    assert [finding.n for finding in verdict.findings] == [length]
    assert "was truncated" in str(verdict.findings[0])


def test_verify_finds_log_replaced_with_the_nodes_own_key_by_anchor() -> None:
    others = make_lines(COUNT + 1, event="status.forged")
    tokens = make_checkpoints([heads_of(others)[-1]], KEY)
    assert verdict_of(others, tokens).findings == ()
    assert "differ from those that anchor:1 signs" in str(verdict_of(others, tokens, [TOKENS[1]]).findings)


def test_verify_rejects_checkpoint_of_another_key() -> None:
    verdict = verdict_of(LINES, make_checkpoints([HEADS[COUNT]], FOREIGN_KEY))
    assert verdict.covered == 0
    assert "key is not trusted" in str(verdict.findings)


def test_verify_finds_missing_checkpoint() -> None:
    tokens = make_checkpoints([HEADS[3], HEADS[6], HEADS[9]])
    assert [finding.n for finding in verdict_of(LINES, [tokens[0], tokens[2]]).findings] == [9]


def test_verify_accepts_log_that_starts_at_a_checkpoint() -> None:
    verdict = verdict_of(LINES[5:], TOKENS)
    assert (verdict.first, verdict.findings) == (6, ())
    assert [finding.n for finding in verdict_of(LINES[4:], TOKENS).findings] == [5]
    other = make_checkpoints([HEADS[3], HEADS[5]])
    assert [finding.n for finding in verdict_of(LINES[5:], other).findings] == [6]


def test_verify_rejects_invalid_entry_numbers() -> None:
    for n in (0, -1, True, 1.0, "1", None):
        members = json.loads(LINES[0]) | {"n": n}
        assert reported_lines(verdict_of([json.dumps(members).encode(), *LINES[1:]])) == {1}


def test_verify_finds_rewritten_log_without_checkpoints_by_their_absence() -> None:
    forged = make_lines(COUNT, event="status.forged")
    assert verdict_of(forged).unproven == ()  # as young as a log that has none yet
    verdict = verdict_of(forged, now=NOW + 10 * INTERVAL_SECONDS)
    assert [(finding.location.line, finding.n) for finding in verdict.unproven] == [(1, 1)]
    assert "no checkpoint covers entries 1 to 12" in str(verdict.unproven)


def test_verify_finds_future_entries_without_checkpoint() -> None:
    assert verdict_of(LINES, now=NOW - 10 * INTERVAL_SECONDS).unproven


def test_verify_finds_more_entries_than_an_interval_without_checkpoint() -> None:
    lines = make_lines(INTERVAL_LINES + 1, seconds=0)
    assert verdict_of(lines[:-1]).unproven == ()
    assert "after 256 entries" in str(verdict_of(lines).unproven)


def test_verify_finds_entry_without_timestamp_and_checkpoint() -> None:
    line = json.dumps(json.loads(LINES[0]) | {"timestamp": "soon"}).encode()
    assert "has no timestamp" in str(verdict_of([line]).unproven)


def test_verify_proves_log_up_to_its_last_checkpoint() -> None:
    verdict = verdict_of(LINES, TOKENS, now=NOW + 10 * INTERVAL_SECONDS)
    assert (verdict.findings, verdict.unproven) == ((), ())
    verdict = verdict_of(LINES, TOKENS[:1], now=NOW + 10 * INTERVAL_SECONDS)
    assert [finding.n for finding in verdict.unproven] == [6]


def test_verify_rejects_checkpoint_of_another_agent() -> None:
    token = sign_checkpoint(Checkpoint("gateway-002", HEADS[COUNT], NOW), KEY)
    assert "signed for agent 'gateway-002'" in str(verdict_of(LINES, [token]).findings)


def test_finding_shows_file_line_and_entry() -> None:
    verdict = verdict_of([*LINES[:3], *LINES[4:]])
    assert str(verdict.findings[0]) == "log:4: entry 5: entry 4 is missing before it"


def test_first_head_is_that_of_the_document() -> None:
    assert HEADS[0] == Head(0, "0" * 64)
