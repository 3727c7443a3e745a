"""Files of the log: crash recovery, rotation by size, deletion by age, and verification throughout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.logs import KEY, KEYS, NOW, heads_of, make_lines
from warren.audit.chain import EMPTY, Head
from warren.audit.io.journal import DAY_SECONDS, Journal, Retention
from warren.audit.io.logfiles import log_in, log_of
from warren.audit.verify import Verdict, read_checkpoints, verify_log

pytestmark = pytest.mark.integration

LINES = make_lines(40)
HEADS = heads_of(LINES)


def open_journal(directory: Path, retention: Retention | None = None) -> Journal:
    journal = Journal(directory, "gateway-001", KEY, retention)
    journal.open()
    return journal


def verdict_of(directory: Path) -> Verdict:
    log = log_of(directory)
    anchors, findings = read_checkpoints(log.tokens(), KEYS)
    assert findings == []
    return verify_log(log.lines(), anchors)


def test_appended_lines_are_a_valid_log(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "audit")
    journal.append(LINES[:3])
    journal.sync()
    journal.checkpoint(HEADS[3], NOW)
    assert verdict_of(tmp_path / "audit") == Verdict(1, HEADS[3], 3, ())
    assert (journal.last, journal.checkpoint_n) == (HEADS[3], 3)
    assert (tmp_path / "audit" / "audit.jsonl").stat().st_mode & 0o777 == 0o640


def test_new_journal_is_empty(tmp_path: Path) -> None:
    assert (open_journal(tmp_path).last, open_journal(tmp_path).checkpoint_n) == (EMPTY, 0)


@given(cut=st.integers(0, 3000), garbage=st.binary(max_size=40), kept=st.integers(0, 3))
def test_restore_restores_lines_torn_by_a_crash(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes, kept: int
) -> None:
    """`kept` of three lines are on the disk, followed by anything."""
    directory = tmp_path_factory.mktemp("log")
    whole = b"".join(line + b"\n" for line in LINES[:3])
    base = sum(len(line) + 1 for line in LINES[:kept])
    (directory / "audit.jsonl").write_bytes(whole[: max(base, cut)] + garbage)
    open_journal(directory).restore(base, LINES[kept:3])
    assert (directory / "audit.jsonl").read_bytes() == whole


def test_restore_appends_after_truncation_by_others(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(LINES[0] + b"\n" + LINES[1][:40])
    open_journal(tmp_path).restore(5000, LINES[5:6])
    assert (tmp_path / "audit.jsonl").read_bytes() == LINES[0] + b"\n" + LINES[5] + b"\n"
    assert "entries 2 to 5 are missing" in str(verdict_of(tmp_path).findings)


def test_restore_without_base_removes_only_a_torn_line(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b"\n".join(LINES[:2]) + b"\n" + LINES[2][:40])
    journal = open_journal(tmp_path)
    journal.restore(None, [])
    assert (journal.last, verdict_of(tmp_path).findings) == (HEADS[2], ())


def fill(directory: Path, retention: Retention) -> Journal:
    """Write forty lines, with a checkpoint and perhaps a rotation after every four."""
    journal = open_journal(directory, retention)
    for end in range(4, 41, 4):
        journal.append(LINES[end - 4 : end])
        journal.sync()
        journal.checkpoint(HEADS[end], NOW)
        if journal.is_full:
            journal.rotate()
    return journal


def test_rotation_by_size_keeps_one_log(tmp_path: Path) -> None:
    """Row G-51."""
    fill(tmp_path, Retention(max_bytes=3000))
    names = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert names[:2] == ["audit-00000000001.jsonl", "audit-00000000009.jsonl"]
    assert verdict_of(tmp_path) == Verdict(1, HEADS[40], 40, ())


def test_delete_expired_leaves_a_verifiable_log(tmp_path: Path) -> None:
    """Row G-51."""
    journal = fill(tmp_path, Retention(max_bytes=3000, seconds=30 * DAY_SECONDS))
    os.utime(tmp_path / "audit-00000000001.jsonl", (NOW - 31 * DAY_SECONDS,) * 2)
    os.utime(tmp_path / "audit-00000000009.jsonl", (NOW - 29 * DAY_SECONDS,) * 2)
    for path in [*tmp_path.glob("audit-0000000001*"), *tmp_path.glob("audit-000000000[2-9]*")]:
        os.utime(path, (NOW, NOW))
    for name in journal.expired(NOW):
        journal.delete(name)
    assert not list(tmp_path.glob("audit-00000000001.*"))
    assert verdict_of(tmp_path) == Verdict(9, HEADS[40], 40, ())


def test_each_segment_is_verifiable_alone(tmp_path: Path) -> None:
    fill(tmp_path, Retention(max_bytes=3000))
    log = log_in([tmp_path / "audit-00000000009.jsonl"])
    anchors, findings = read_checkpoints(log.tokens(), KEYS)
    assert (findings, verify_log(log.lines(), anchors)) == ([], Verdict(9, HEADS[16], 16, ()))


def test_checkpoints_prove_missing_lines(tmp_path: Path) -> None:
    journal = fill(tmp_path, Retention(max_bytes=3000))
    more = make_lines(4, HEADS[40])
    journal.append(more)
    journal.checkpoint(heads_of(more, HEADS[40])[4], NOW)
    (tmp_path / "audit.jsonl").unlink()
    assert "it was truncated" in str(verdict_of(tmp_path).findings)


def test_log_in_sorts_segments(tmp_path: Path) -> None:
    fill(tmp_path, Retention(max_bytes=3000))
    log = log_in(sorted(tmp_path.iterdir(), reverse=True))
    anchors, findings = read_checkpoints(log.tokens(), KEYS)
    assert (findings, verify_log(log.lines(), anchors).head) == ([], HEADS[40])


@pytest.mark.parametrize("done", ["checkpoints", "both"])
def test_open_finishes_interrupted_rotation(tmp_path: Path, done: str) -> None:
    fill(tmp_path, Retention())
    (tmp_path / "audit.checkpoints").rename(tmp_path / "audit-00000000001.checkpoints")
    if done == "both":
        (tmp_path / "audit.jsonl").rename(tmp_path / "audit-00000000001.jsonl")
    journal = open_journal(tmp_path)
    assert (journal.size, journal.checkpoint_n, journal.last) == (0, 40, HEADS[40])
    journal.append(make_lines(1, HEADS[40]))
    assert verdict_of(tmp_path).findings == ()
    assert (tmp_path / "audit-00000000001.jsonl").exists()


def test_open_removes_torn_checkpoint(tmp_path: Path) -> None:
    fill(tmp_path, Retention())
    with (tmp_path / "audit.checkpoints").open("a") as file:
        file.write("eyJhbGci")
    journal = open_journal(tmp_path)
    journal.append(make_lines(1, HEADS[40]))
    journal.checkpoint(HEADS[40].followed_by(make_lines(1, HEADS[40])[0]), NOW)
    assert verdict_of(tmp_path).covered == 41


def test_journal_without_key_writes_no_checkpoint(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-001", None)
    journal.open()
    journal.append(LINES)
    journal.checkpoint(HEADS[40], NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["audit.jsonl"]


def test_head_holds_number_of_lines() -> None:
    assert HEADS[40] == Head(40, HEADS[40].digest)
