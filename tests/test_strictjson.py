"""JSON of which there is one reading."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.strictjson import encode, encode_sorted, parse_object

pytestmark = [pytest.mark.unit, pytest.mark.security]

FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**14), 10**14)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_encoded_is_read(value: dict[str, object]) -> None:
    assert parse_object(encode(value)) == value
    assert parse_object(encode_sorted(value)) == value
    assert encode_sorted(dict(reversed(value.items()))) == encode_sorted(value)


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "is no JSON"),
        (b"[]", "is no object"),
        (b"null", "is no object"),
        (b'{"a": 1, "a": 1}', "has a member twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "has a member twice"),
        (b'[{"a": [{"b": 1, "b": 2}]}]', "has a member twice"),
        (b'{"a": NaN}', "has a number that is none"),
        (b'{"a": -Infinity}', "has a number that is none"),
        (b'{"a": 1e999}', "has a number that is none"),
        (b'{"a": -1e999}', "has a number that is none"),
        (b'{"a": 1234567890123456}', "more than 15 digits"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b'{"\\udc00": 1}', "half a character"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "is not UTF-8"),
        (b"\xef\xbb\xbf{}", "is no JSON"),
        (b'{"a": 1} {}', "is no JSON"),
        (b'{"a": 1,}', "is no JSON"),
        (b'{"a": ' + b"[" * 16 + b"]" * 16 + b"}", "more than 16 levels"),
        (b'{"a": ' * 100_000, "more than 16 levels"),
        (b"[" * 100_000, "more than 16 levels"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(octets: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_object(octets)


def test_an_error_holds_nothing_of_the_text() -> None:
    with pytest.raises(ValueError, match="no JSON") as refused:
        parse_object(b'{"password": correct horse}')
    assert "horse" not in str(refused.value)


def test_whole_characters_in_escapes_are_read() -> None:
    assert parse_object(json.dumps({"a": "\N{GRINNING FACE}"}).encode()) == {"a": "\N{GRINNING FACE}"}
