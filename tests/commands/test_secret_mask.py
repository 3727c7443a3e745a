"""Secrets in a stream that arrives in pieces and is cut anywhere."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.secret_mask import MASK, MIN_MASKED, SecretMask, mask_secrets

pytestmark = [pytest.mark.unit, pytest.mark.security]

TEXTS = st.text("ab*", max_size=40).map(str.encode)
SECRETS = st.lists(st.text("ab", min_size=4, max_size=6).map(str.encode), max_size=3)
WORDS = st.sampled_from([b"password123", b"123secret", b"word12", b"x", b"\n", b"pass", b"cret"])


def masked(pieces: list[bytes], secrets: list[bytes]) -> bytes:
    mask = SecretMask(secrets)
    return b"".join(mask.feed(piece) for piece in pieces) + mask.end()


def whole_mask(text: bytes, secrets: list[bytes]) -> bytes:
    """Return the text with one mask for each group of occurrences that overlap, found octet by octet."""
    hidden = [False] * len(text)
    starts = set()
    for secret in secrets:
        for at in range(len(text)):
            if text.startswith(secret, at):
                if not any(hidden[at : at + 1]):
                    starts.add(at)
                hidden[at : at + len(secret)] = [True] * len(secret)
    out = b""
    for at, octet in enumerate(text):
        if not hidden[at]:
            out += bytes([octet])
        elif at == 0 or not hidden[at - 1]:
            out += MASK
    return out


@given(st.lists(TEXTS, max_size=8), SECRETS)
def test_mask_hides_secret_split_at_any_position(pieces: list[bytes], secrets: list[bytes]) -> None:
    shown = masked(pieces, secrets)
    assert not any(secret in shown for secret in secrets)


@given(st.lists(WORDS, max_size=12), st.integers(1, 7))
def test_mask_does_not_depend_on_the_pieces(words: list[bytes], size: int) -> None:
    text, secrets = b"".join(words), [b"password123", b"word12", b"123secret"]
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert masked(pieces, secrets) == masked([text], secrets)


@given(st.lists(WORDS, max_size=12))
def test_mask_hides_overlapping_secrets_completely(words: list[bytes]) -> None:
    text, secrets = b"".join(words) + b"\n", [b"password123", b"word12", b"123secret"]
    shown = masked([text], secrets)
    assert re.sub(rb"(\*\*\*)+", MASK, shown) == whole_mask(text, secrets)


def test_mask_hides_a_secret_that_begins_with_another() -> None:
    assert masked([b"abcd", b"ef!"], [b"abcd", b"abcdef"]) == b"***!"
    assert masked([b"abcdX"], [b"abcd", b"abcdef"]) == b"***X"


@given(st.integers(0, 11), st.integers(1, 11))
def test_no_part_of_a_secret_survives_a_cut_of_masked_octets(cut: int, size: int) -> None:
    text = b"0123456" + b"password123" + b" end"
    shown = masked([text[at : at + size] for at in range(0, len(text), size)], [b"password123"])
    assert b"pas" not in shown[: 7 + cut]
    assert b"123 " not in shown[-(5 + cut) :].removesuffix(b" end")


@given(st.integers(0, 10))
def test_beginning_of_a_secret_at_the_end_is_masked(length: int) -> None:
    shown = masked([b"said: " + b"password123"[:length]], [b"password123"])
    assert shown == b"said: " + (MASK if length >= MIN_MASKED else b"password123"[:length])


def test_mask_holds_no_more_than_a_secret() -> None:
    mask = SecretMask([b"a" * 8])
    assert sum(len(mask.feed(b"a" * 1000)) for _ in range(100)) <= 100 * len(MASK)
    assert mask.feed(b"b") == b"b"


def test_mask_finds_a_secret_as_json_writes_it() -> None:
    word = 'pä"ss\\wörd\n'
    for text in (json.dumps({"p": word}), json.dumps({"p": word}, ensure_ascii=False)):
        assert mask_secrets(text, [word.encode()]) == '{"p": "***"}'


def test_mask_keeps_other_text() -> None:
    assert mask_secrets("the word is password123.", [b"password123"]) == "the word is ***."
    assert mask_secrets("abc", [b"abc"]) == "abc", "too short to be a secret"
    assert mask_secrets("\ud800", [b"password123"]) == "?"
