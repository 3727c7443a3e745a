"""Text of others on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.terminal import visible, visible_line, visible_members

pytestmark = [pytest.mark.unit, pytest.mark.security]

ANYTHING = st.text(st.characters())
CONTROLS = [
    ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
    ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ("\x9b2J", r"\x9b2J"),
    ("over\rwrite", r"over\rwrite"),
    ("a\x08b\x7f\x00", r"a\x08b\x7f\x00"),
    ("\u202eevil\u2066\u2069", r"\u202eevil\u2066\u2069"),
    ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
    ("\ud800", r"\ud800"),
    ("\U000e0041", r"\U000e0041"),
    ("a\x85b\u2028c\u2029d", r"a\x85b\u2028c\u2029d"),
]


@pytest.mark.parametrize(("text", "shown"), CONTROLS)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible_line(text) == shown


def test_ordinary_text_is_kept() -> None:
    text = 'Grüße, 世界 🙂\n\tit\'s "fine" \\ 100 %\n'
    assert visible(text) == text
    assert visible_line("Grüße, 世界 🙂") == "Grüße, 世界 🙂"


def test_a_line_stays_one_line() -> None:
    assert visible_line("a\nb SUCCESS\tc") == r"a\nb SUCCESS\tc"


def test_each_text_of_an_answer_is_on_one_line() -> None:
    value = {"na\nme": ["\x1b[2J", 5, None, {"deep": "\u202e"}], "flag": True}
    assert visible_members(value) == {r"na\nme": [r"\x1b[2J", 5, None, {"deep": r"\u202e"}], "flag": True}


@given(ANYTHING)
def test_no_text_controls_a_terminal(text: str) -> None:
    for shown, kept in ((visible(text), "\n\t"), (visible_line(text), "")):
        assert all(unicodedata.category(each)[0] not in "CZ" or each in f" {kept}" for each in shown)
        shown.encode()
