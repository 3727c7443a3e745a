"""Where objects end, and where what is none breaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.localapi.json_scanner import MAX_DEPTH, MAX_WORD_OCTETS, Outcome, Scanner

from .strategies import objects, pieces

pytestmark = pytest.mark.unit


def scanned(octets: bytes) -> tuple[Outcome, int, str]:
    """What the scanner makes of it at once: how far, where, and what it expected there."""
    scanner = Scanner()
    at = scanner.advance(bytearray(octets), 0, len(octets))
    return scanner.outcome, at, scanner.expected


@given(objects, st.binary(max_size=5))
def test_scanner_stops_after_the_closing_brace(text: bytes, behind: bytes) -> None:
    assert scanned(text + behind)[:2] == (Outcome.DONE, len(text))


@given(objects, st.data())
def test_prefix_of_an_object_is_open(text: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(text) - 1))
    assert scanned(text[:end])[:2] == (Outcome.OPEN, end)


@given(st.text('{}[]:,"\\ \n\t01e.-+truefalsn', max_size=30).map(lambda text: b"{" + text.encode()))
def test_scanner_accepts_exactly_what_the_decoder_accepts(text: bytes) -> None:
    outcome, at, _ = scanned(text)
    try:
        _, end = json.JSONDecoder().raw_decode(text.decode())
    except ValueError:
        # An escape that does not exist is for the decoder.
        assert outcome is not Outcome.DONE or b"\\" in text
    else:
        assert (outcome, at) == (Outcome.DONE, end)


@given(st.text('{}[]:,"\\ \n01e-true', max_size=30).map(lambda text: b"{" + text.encode()), st.data())
def test_result_is_independent_of_the_pieces(text: bytes, data: st.DataObject) -> None:
    octets, scanner, at, end = bytearray(), Scanner(), 0, 0
    for piece in data.draw(pieces(text)):
        octets += piece
        end += len(piece)
        at = scanner.advance(octets, at, end)
    assert (scanner.outcome, at, scanner.expected) == scanned(text)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        (b"nonsense", 0, "an object"),
        (b"[1]", 0, "an object"),
        (b"{nonsense", 1, "a name in quotation marks, or }"),
        (b'{"a" 1}', 5, "a colon"),
        (b'{"a":}', 5, "a value"),
        (b'{"a":1,}', 7, "a name in quotation marks"),
        (b'{"a":1]', 6, "a comma or }"),
        (b'{"a":[1}', 7, "a comma or ]"),
        (b'{"a":[,', 6, "a value, or ]"),
        (b'{"a":oops}', 5, "a value"),
        (b'{"a":nil}', 5, "a number, true, false or null"),
        (b'{"a":01}', 5, "a number, true, false or null"),
        (b'{"a":"b\n', 7, "a text that ends on its line"),
        (b'{"a\t', 3, "a name that ends on its line"),
        (b'{"a":1' + b"0" * MAX_WORD_OCTETS, 5, "a number, true, false or null"),
        (b'{"a":' + b"[" * MAX_DEPTH, 4 + MAX_DEPTH, f"at most {MAX_DEPTH} levels"),
    ],
)
def test_scanner_stops_at_the_first_unexpected_byte(text: bytes, at: int, expected: str) -> None:
    assert scanned(text) == (Outcome.BROKEN, at, expected)
