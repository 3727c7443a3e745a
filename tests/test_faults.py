"""A command dies at each of its calls, and at no other place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import SEED, Kill, is_killed, kills, python, sampled

pytestmark = [pytest.mark.integration, pytest.mark.needs("strace")]

THREE_LETTERS = """
import os, sys
descriptor = os.open(sys.argv[1] + "/letters", os.O_WRONLY | os.O_CREAT)
for letter in b"abc":
    os.write(descriptor, bytes([letter]))
os.rename(sys.argv[1] + "/letters", sys.argv[1] + "/done")
"""


def letters(place: Path) -> list[str]:
    return python(THREE_LETTERS, str(place))


def test_the_call_at_which_it_dies_is_not_made(tmp_path: Path) -> None:
    left = {kill: {path.name: path.read_text() for path in place.iterdir()} for kill, place in kills(tmp_path, letters)}
    renames = [kill for kill in left if kill.call.startswith("rename")]
    assert left == {
        Kill("write", 1): {"letters": ""},
        Kill("write", 2): {"letters": "a"},
        Kill("write", 3): {"letters": "ab"},
        renames[0]: {"letters": "abc"},
    }


def test_a_call_that_is_not_made_kills_nothing(tmp_path: Path) -> None:
    assert not is_killed(letters(tmp_path), Kill("fsync", 1))
    assert (tmp_path / "done").read_text() == "abc"


def test_a_command_that_fails_by_itself_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="FileNotFoundError"):
        is_killed(letters(tmp_path / "absent"), Kill("fsync", 1))


def test_a_sample_has_the_first_the_last_and_one_between_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.is_soak", lambda: False)
    points = [Kill(call, nth) for call, count in (("write", 9), ("fsync", 2), ("rename", 1)) for nth in range(count)]
    chosen = sampled(points, kind=lambda point: point.call)
    first, between, last = (point.nth for point in chosen if point.call == "write")
    assert (first, last) == (0, 8)
    assert 0 < between < 8
    assert [point for point in chosen if point.call != "write"] == points[9:]


def test_a_sample_is_the_same_for_the_same_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.is_soak", lambda: False)
    drawn: dict[str, set[tuple[int, ...]]] = {}
    for seed in [*map(str, range(10))] * 2:
        monkeypatch.setenv(SEED, seed)
        drawn.setdefault(seed, set()).add(tuple(sampled(range(100), kind=lambda _: "write")))
    assert all(len(samples) == 1 for samples in drawn.values())
    assert len(set.union(*drawn.values())) > 1


def test_a_soak_tries_every_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.is_soak", lambda: True)
    assert sampled(range(100), kind=lambda _: "write") == [*range(100)]
