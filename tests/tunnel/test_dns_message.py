"""DNS messages: a question that a server understands, and of answers only those to it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.dns_message import Answer, Code, Record, encode_question, parse_answer

pytestmark = [pytest.mark.unit, pytest.mark.security]

NAME = "vpn.example.org"
V4, V6 = ip_address("192.0.2.7"), ip_address("2001:db8::7")
SERVED = b"\xc0\x0c"  # a pointer to the name of the question


def labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def answer(question: bytes, records: Sequence[bytes], *, flags: int = 0x8180) -> bytes:
    """What a server makes of a question."""
    return question[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question[12:] + b"".join(records)


QUESTION = encode_question(NAME, Record.A, 0x1234)


def test_a_question_is_that_of_rfc_1035() -> None:
    assert bytes.fromhex("1234 0100 0001 0000 0000 0000 03 76706e 07 6578616d706c65 03 6f7267 00 0001 0001") == QUESTION
    assert encode_question(f"{NAME}.", Record.AAAA, 0x1234) == QUESTION[:-4] + bytes.fromhex("001c 0001")


@pytest.mark.parametrize(("kind", "address"), [(Record.A, V4), (Record.AAAA, V6)])
def test_an_answer_has_the_addresses_of_the_name(kind: Record, address: object) -> None:
    question = encode_question(NAME, kind, 7)
    reply = answer(question, [record(SERVED, kind, address.packed)] * 2)  # type: ignore[attr-defined]
    assert parse_answer(reply, NAME.upper(), kind, 7) == Answer(Code.FOUND, (address, address))  # type: ignore[arg-type]


def test_aliases_are_followed_and_other_names_are_not() -> None:
    records = [
        record(labels("gateway.example.org"), 1, V4.packed),
        record(labels("other.example.org"), 1, b"\7\7\7\7"),
        record(labels("alias.example.org"), 5, b"\7gateway" + b"\xc0\x10"),
        record(SERVED, 5, labels("alias.example.org")),
        record(SERVED, 16, b"\4text"),
    ]
    assert parse_answer(answer(QUESTION, records), NAME, Record.A, 0x1234).addresses == (V4,)


def test_a_loop_of_aliases_ends() -> None:
    records = [record(SERVED, 5, labels("a.example")), record(labels("a.example"), 5, labels("a.example"))]
    with pytest.raises(ValueError, match="too many aliases"):
        parse_answer(answer(QUESTION, records), NAME, Record.A, 0x1234)


def test_a_loop_of_pointers_ends() -> None:
    for pointer in (b"\xc0\x21", b"\xc0\xff"):  # to itself, and forward
        with pytest.raises(ValueError, match="a compression pointer leads forward"):
            parse_answer(answer(QUESTION, [record(pointer, 1, V4.packed)]), NAME, Record.A, 0x1234)


@pytest.mark.parametrize(("flags", "code"), [(0x8183, Code.NO_SUCH_NAME), (0x8182, 2), (0x8180, Code.FOUND)])
def test_how_it_went(flags: int, code: int) -> None:
    assert parse_answer(answer(QUESTION, [], flags=flags), NAME, Record.A, 0x1234) == Answer(code)


@pytest.mark.parametrize(
    "reply",
    [
        QUESTION,  # no answer at all
        answer(encode_question(NAME, Record.A, 0x1235), []),
        answer(encode_question("evil.example.org", Record.A, 0x1234), []),
        answer(encode_question(NAME, Record.AAAA, 0x1234), []),
    ],
    ids=["question", "identity", "name", "record"],
)
def test_an_answer_to_another_question_is_none(reply: bytes) -> None:
    with pytest.raises(ValueError, match="the message answers another question"):
        parse_answer(reply, NAME, Record.A, 0x1234)


@given(length=st.integers(0, 1000))
def test_one_that_was_cut_is_none(length: int) -> None:
    whole = answer(QUESTION, [record(SERVED, 5, labels("a.example")), record(labels("a.example"), 1, V4.packed)])
    assert parse_answer(whole, NAME, Record.A, 0x1234).addresses == (V4,)
    with pytest.raises(ValueError, match="the message is truncated"):
        parse_answer(whole[: length % len(whole)], NAME, Record.A, 0x1234)


@given(octets=st.binary(max_size=200), place=st.integers(0, 60))
def test_whatever_comes_is_an_answer_or_a_value_error(octets: bytes, place: int) -> None:
    whole = answer(QUESTION, [record(SERVED, 5, labels("a.example")), record(labels("a.example"), 1, V4.packed)])
    for reply in (octets, QUESTION[:2] + b"\x81\x80" + octets, whole[:place] + octets + whole[place:]):
        with suppress(ValueError):
            assert isinstance(parse_answer(reply, NAME, Record.A, 0x1234), Answer)
