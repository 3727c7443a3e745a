"""What clients send, cut into objects (H-26, H-28, H-29, H-41)."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.strategies import PUBLIC_KEYS
from warren.localapi.framing import MAX_OCTETS, JsonFramer, Malformed, Members

from .strategies import members, pieces, written

pytestmark = pytest.mark.unit

BAD = "bad"
LAST = "last"


def split(octets: Iterable[bytes], limit: int = MAX_OCTETS) -> list[Members | Malformed]:
    """All that comes of these pieces, and of their end."""
    splitter = JsonFramer(limit)
    found = [frame for piece in octets for frame in splitter.feed(piece)]
    return found + splitter.end()


def outline(frames: Iterable[Members | Malformed]) -> list[object]:
    """The objects, and a word for each that is none."""
    return [(LAST if frame.is_last else BAD) if isinstance(frame, Malformed) else frame for frame in frames]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("\n \r\n\t\n", []),
        ('{"a":1}', [{"a": 1}]),
        ('{"a":1}\n', [{"a": 1}]),
        ('{"a":1}\r\n\r\n{"b":2}\r\n', [{"a": 1}, {"b": 2}]),
        ('{"a":1} {"b":2}{"c":3}\n', [{"a": 1}, {"b": 2}, {"c": 3}]),
        ('{\n  "a": {\n    "b": [\n1]\n  }\n}', [{"a": {"b": [1]}}]),
        ('{"a":"}{\\"\\\\"}\n', [{"a": '}{"\\'}]),
        ("nonsense\n", [BAD]),
        ("nonsense", [BAD]),
        ('nonsense\nmore\n{"a":1}\n', [BAD, BAD, {"a": 1}]),
        ('{nonsense}\n{"a":1}\n', [BAD, {"a": 1}]),
        ('{"a":1} nonsense {"b":2}\n{"c":3}\n', [{"a": 1}, BAD, {"c": 3}]),
        ('{"a":"b\n{"c":3}\n', [BAD, {"c": 3}]),
        ('{"a":1\n{"c":3}\n', [BAD, {"c": 3}]),
        ('{"a":[\n{"b":1}\n{"c":3}\n', [BAD, {"c": 3}]),
        ('{\n  "a": oops,\n  "b": {"c": 1}\n}\n{"d":4}\n', [BAD, {"d": 4}]),
        ('{\n  "a": oops,\n  "b": 1\n\n  {"d":4}\n', [BAD, {"d": 4}]),
        ('{\n  "a": oops,\n{"d":4}\n', [BAD, {"d": 4}]),
        ('{\n  "a": oops\n}\n  {"d":4}\n', [BAD, {"d": 4}]),
        ('{\n  "a": oops,\n  "b": 1', [BAD]),
        ("[1]\n2\n", [BAD, BAD]),
        ('{"a":1', [BAD]),
        ('{"a":1,"a":2}\n{"b":2}\n', [BAD, {"b": 2}]),
        ('{"a":{"b":1,"b":1}}{"b":2}\n', [BAD, {"b": 2}]),
        ('{"a":"\\x"}\n{"b":2}\n', [BAD, {"b": 2}]),
        ('{"a":NaN}\n{"a":-Infinity}\n', [BAD, BAD]),
    ],
)
def test_input_is_split_into_objects(text: str, found: list[object]) -> None:
    assert outline(split([text.encode()])) == found
    assert outline(split(bytes([octet]) for octet in text.encode())) == found


def test_malformed_input_names_its_position_and_what_was_expected() -> None:
    def problems(octets: bytes) -> list[str]:
        return [frame.problem for frame in split([octets]) if isinstance(frame, Malformed)]

    assert problems(b"nonsense\n") == ["line 1, byte 1: expected an object"]
    assert problems(b'{\n "a": 1 2\n}\n') == ["line 2, byte 9: expected a comma or }"]
    assert problems(b'{"a":1') == ["the input ended inside an object; expected the closing }"]
    assert problems(b'{"key":1,"key":2}\n') == ["'key': duplicate name"]
    assert problems(b'{"a":"\xff"}\n') == ["invalid UTF-8"]


endings = st.sampled_from(["", "\n", "\r\n\n"])


@given(st.lists(st.tuples(members, st.sampled_from([None, 0, 2]), st.booleans(), endings), max_size=4))
def test_objects_are_decoded_unchanged(sent: list[tuple[Members, int | None, bool, str]]) -> None:
    text = b"".join(written(each, indent, ascii_only) + end.encode() for each, indent, ascii_only, end in sent)
    assert split([text]) == [each for each, *_ in sent]


@given(st.text('{}[]:,"\\ \n\r1eat', max_size=60), st.integers(1, 12), st.data())
def test_result_is_independent_of_the_pieces(text: str, limit: int, data: st.DataObject) -> None:
    octets = text.encode()
    assert split(data.draw(pieces(octets)), limit) == split([octets], limit)


@given(st.binary(max_size=60))
def test_malformed_line_does_not_affect_the_next_one(line: bytes) -> None:
    bad = b"!" + line.replace(b"\n", b"")
    assert outline(split([bad + b'\n{"a":1}\n'])) == [BAD, {"a": 1}]


def test_object_at_the_limit_is_accepted_and_above_it_rejected() -> None:
    text = json.dumps({"a": "b" * 100}).encode()
    assert outline(split([text + b"\n", text], len(text))) == [{"a": "b" * 100}] * 2
    assert outline(split([text + b"\n" + text], len(text) - 1)) == [LAST]
    assert outline(split([b"x" * 50 + b"\n" + text], 49)) == [LAST]
    assert outline(split([b'{\n"a":!\n', b"x" * 50 + b"\n"], 49)) == [BAD, LAST]


def test_blanks_do_not_count_and_input_after_an_oversized_object_is_ignored() -> None:
    splitter = JsonFramer()
    for _ in range(3 * MAX_OCTETS >> 16):
        splitter.feed(b" " * (1 << 16))
    assert outline(splitter.feed(b'{"a":1}')) == [{"a": 1}]
    assert outline(splitter.feed(b'{"a":"' + b"b" * MAX_OCTETS)) == [LAST]
    assert splitter.feed(b'"}\n{"a":1}\n') == splitter.end() == []


def test_large_request_arrives_byte_by_byte() -> None:
    text = b'{"a":[' + b'"b",1,' * 20_000 + b"null]}"
    (found,) = split(bytes([octet]) for octet in text)
    assert found == json.loads(text)


@pytest.mark.security
def test_key_as_duplicate_name_is_not_repeated() -> None:
    key = str(PUBLIC_KEYS[0])
    (frame,) = JsonFramer().feed(f'{{"{key}": 1, "{key}": 2}}'.encode())
    assert isinstance(frame, Malformed)
    assert frame.problem == "a text like a key: duplicate name"
