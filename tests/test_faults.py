"""A command dies at each of its calls, and at no other place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import Kill, is_killed, kills, python

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
