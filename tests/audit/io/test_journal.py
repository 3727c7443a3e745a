"""The log's files: whole after every crash, turned over by size, deleted by age, and verifiable all the while."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.logs import KEY, KEYS, NOW, heads, write
from warren.audit.chain import EMPTY, Head
from warren.audit.io.journal import DAY_SECONDS, Journal, Retention
from warren.audit.io.logfiles import log_in, log_of
from warren.audit.verify import Verdict, read_anchors, verify_log

pytestmark = pytest.mark.integration

LINES = write(40)
HEADS = heads(LINES)


def opened(directory: Path, keeping: Retention | None = None) -> Journal:
    journal = Journal(directory, "gateway-001", KEY, keeping)
    journal.open()
    return journal


def verdict(directory: Path) -> Verdict:
    log = log_of(directory)
    anchors, faults = read_anchors(log.tokens(), KEYS)
    assert faults == []
    return verify_log(log.lines(), anchors)


def test_what_was_appended_is_a_log(tmp_path: Path) -> None:
    journal = opened(tmp_path / "audit")
    journal.append(LINES[:3])
    journal.sync()
    journal.seal(HEADS[3], NOW)
    assert verdict(tmp_path / "audit") == Verdict(1, HEADS[3], 3, ())
    assert (journal.last, journal.sealed_n) == (HEADS[3], 3)
    assert (tmp_path / "audit" / "audit.jsonl").stat().st_mode & 0o777 == 0o640


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert (opened(tmp_path).last, opened(tmp_path).sealed_n) == (EMPTY, 0)


@given(cut=st.integers(0, 3000), garbage=st.binary(max_size=40), kept=st.integers(0, 3))
def test_whatever_is_torn_is_completed(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes, kept: int
) -> None:
    """Three lines of which so many were on the disk, and the rest is anything."""
    directory = tmp_path_factory.mktemp("log")
    whole = b"".join(line + b"\n" for line in LINES[:3])
    base = sum(len(line) + 1 for line in LINES[:kept])
    (directory / "audit.jsonl").write_bytes(whole[: max(base, cut)] + garbage)
    opened(directory).complete(base, LINES[kept:3])
    assert (directory / "audit.jsonl").read_bytes() == whole


def test_lines_of_a_file_that_others_cut_follow_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(LINES[0] + b"\n" + LINES[1][:40])
    opened(tmp_path).complete(5000, LINES[5:6])
    assert (tmp_path / "audit.jsonl").read_bytes() == LINES[0] + b"\n" + LINES[5] + b"\n"
    assert "entries 2 to 5 are missing" in str(verdict(tmp_path).faults)


def test_without_other_knowledge_only_a_torn_line_goes(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b"\n".join(LINES[:2]) + b"\n" + LINES[2][:40])
    journal = opened(tmp_path)
    journal.complete(None, [])
    assert (journal.last, verdict(tmp_path).faults) == (HEADS[2], ())


def fill(directory: Path, keeping: Retention) -> Journal:
    """Forty lines, a checkpoint and perhaps a new segment after each four."""
    journal = opened(directory, keeping)
    for end in range(4, 41, 4):
        journal.append(LINES[end - 4 : end])
        journal.sync()
        journal.seal(HEADS[end], NOW)
        if journal.is_full:
            journal.turn_over()
    return journal


def test_it_turns_over_by_size_and_is_one_log(tmp_path: Path) -> None:
    """Row G-51."""
    fill(tmp_path, Retention(max_bytes=3000))
    names = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert names[:2] == ["audit-00000000001.jsonl", "audit-00000000009.jsonl"]
    assert verdict(tmp_path) == Verdict(1, HEADS[40], 40, ())


def test_what_is_left_after_its_days_proves_where_it_begins(tmp_path: Path) -> None:
    """Row G-51."""
    journal = fill(tmp_path, Retention(max_bytes=3000, seconds=30 * DAY_SECONDS))
    os.utime(tmp_path / "audit-00000000001.jsonl", (NOW - 31 * DAY_SECONDS,) * 2)
    os.utime(tmp_path / "audit-00000000009.jsonl", (NOW - 29 * DAY_SECONDS,) * 2)
    for path in [*tmp_path.glob("audit-0000000001*"), *tmp_path.glob("audit-000000000[2-9]*")]:
        os.utime(path, (NOW, NOW))
    journal.delete_old(NOW)
    assert not list(tmp_path.glob("audit-00000000001.*"))
    assert verdict(tmp_path) == Verdict(9, HEADS[40], 40, ())


def test_each_segment_is_a_log_by_itself(tmp_path: Path) -> None:
    fill(tmp_path, Retention(max_bytes=3000))
    log = log_in([tmp_path / "audit-00000000009.jsonl"])
    anchors, faults = read_anchors(log.tokens(), KEYS)
    assert (faults, verify_log(log.lines(), anchors)) == ([], Verdict(9, HEADS[16], 16, ()))


def test_lines_that_are_gone_are_missed_by_their_checkpoints(tmp_path: Path) -> None:
    journal = fill(tmp_path, Retention(max_bytes=3000))
    more = write(4, HEADS[40])
    journal.append(more)
    journal.seal(heads(more, HEADS[40])[4], NOW)
    (tmp_path / "audit.jsonl").unlink()
    assert "it was cut" in str(verdict(tmp_path).faults)


def test_segments_in_any_order_are_put_in_theirs(tmp_path: Path) -> None:
    fill(tmp_path, Retention(max_bytes=3000))
    log = log_in(sorted(tmp_path.iterdir(), reverse=True))
    anchors, faults = read_anchors(log.tokens(), KEYS)
    assert (faults, verify_log(log.lines(), anchors).head) == ([], HEADS[40])


@pytest.mark.parametrize("done", ["checkpoints", "both"])
def test_a_turning_over_that_was_cut_short_is_finished(tmp_path: Path, done: str) -> None:
    fill(tmp_path, Retention())
    (tmp_path / "audit.checkpoints").rename(tmp_path / "audit-00000000001.checkpoints")
    if done == "both":
        (tmp_path / "audit.jsonl").rename(tmp_path / "audit-00000000001.jsonl")
    journal = opened(tmp_path)
    assert (journal.size, journal.sealed_n, journal.last) == (0, 40, HEADS[40])
    journal.append(write(1, HEADS[40]))
    assert verdict(tmp_path).faults == ()
    assert (tmp_path / "audit-00000000001.jsonl").exists()


def test_a_torn_checkpoint_goes(tmp_path: Path) -> None:
    fill(tmp_path, Retention())
    with (tmp_path / "audit.checkpoints").open("a") as file:
        file.write("eyJhbGci")
    journal = opened(tmp_path)
    journal.append(write(1, HEADS[40]))
    journal.seal(HEADS[40].followed_by(write(1, HEADS[40])[0]), NOW)
    assert verdict(tmp_path).sealed == 41


def test_without_a_key_there_is_no_checkpoint(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-001", None)
    journal.open()
    journal.append(LINES)
    journal.seal(HEADS[40], NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["audit.jsonl"]


def test_a_head_says_how_long_it_is() -> None:
    assert HEADS[40] == Head(40, HEADS[40].digest)
