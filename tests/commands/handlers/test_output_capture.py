"""What is kept of what a program says (V-72, V-73)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.handlers.output_capture import OutputCapture, TailCapture

pytestmark = pytest.mark.unit

PIECES = st.lists(st.binary(max_size=20), max_size=10)


@given(PIECES, st.integers(0, 60))
def test_output_capture_keeps_the_beginning_and_hashes_everything(pieces: list[bytes], most: int) -> None:
    heard: list[bytes] = []
    output = OutputCapture(most, heard.append)
    for piece in pieces:
        output.feed(piece)
    said = b"".join(pieces)
    assert output.sha256 == hashlib.sha256(said).hexdigest()
    assert b"".join(heard) == said[:most]
    assert b"" not in heard
    assert output.is_truncated == (len(said) > most)
    mark = b"\n[truncated: the first %d of %d octets]\n" % (most, len(said))
    assert output.text == (said[:most] + mark if output.is_truncated else said)


@given(PIECES, st.integers(1, 60))
def test_tail_capture_keeps_the_end_and_hashes_everything(pieces: list[bytes], most: int) -> None:
    tail = TailCapture(most)
    for piece in pieces:
        tail.feed(piece)
    said = b"".join(pieces)
    assert (tail.text, tail.sha256) == (said[-most:], hashlib.sha256(said).hexdigest())
