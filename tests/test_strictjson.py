"""Strict JSON: one reading or none."""

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
def test_parse_object_reads_what_encode_writes(value: dict[str, object]) -> None:
    assert parse_object(encode(value)) == value
    assert parse_object(encode_sorted(value)) == value
    assert encode_sorted(dict(reversed(value.items()))) == encode_sorted(value)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "invalid JSON"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'{"a": 1, "a": 1}', "duplicate member"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "duplicate member"),
        (b'[{"a": [{"b": 1, "b": 2}]}]', "duplicate member"),
        (b'{"a": NaN}', "non-finite number"),
        (b'{"a": -Infinity}', "non-finite number"),
        (b'{"a": 1e999}', "non-finite number"),
        (b'{"a": -1e999}', "non-finite number"),
        (b'{"a": 1234567890123456}', "more than 15 digits"),
        (b'{"a": "\\ud800"}', "unpaired surrogate"),
        (b'{"\\udc00": 1}', "unpaired surrogate"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "invalid JSON"),
        (b'{"a": 1} {}', "invalid JSON"),
        (b'{"a": 1,}', "invalid JSON"),
        (b'{"a": ' + b"[" * 16 + b"]" * 16 + b"}", "more than 16 levels"),
        (b'{"a": ' * 100_000, "more than 16 levels"),
        (b"[" * 100_000, "more than 16 levels"),
    ],
)
def test_parse_object_rejects_ambiguous_text(octets: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_object(octets)


def test_error_holds_nothing_of_the_text() -> None:
    with pytest.raises(ValueError, match="invalid JSON") as refused:
        parse_object(b'{"password": correct horse}')
    assert "horse" not in str(refused.value)


def test_parse_object_reads_escaped_surrogate_pair() -> None:
    assert parse_object(json.dumps({"a": "\N{GRINNING FACE}"}).encode()) == {"a": "\N{GRINNING FACE}"}
