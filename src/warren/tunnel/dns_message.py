"""DNS questions and answers (RFC 1035, section 4), as far as the address of a name needs them."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from warren.config.parsers import IPAddress

HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
INTERNET = 1
ALIAS = 5  # CNAME
RECURSION_DESIRED = 0x0100
RESPONSE = 0x8000
CODE = 0x000F
POINTER = 0xC0
MAX_ALIASES = 16  # a longer chain is a loop or an error
MAX_MESSAGE = 4096


class Record(enum.IntEnum):
    """The type of a question."""

    A = 1
    AAAA = 28


class Code(enum.IntEnum):
    """The response code of an answer; a server may send others."""

    FOUND = 0
    NO_SUCH_NAME = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server. `addresses` may be empty though the name exists."""

    code: int
    addresses: tuple[IPAddress, ...] = ()


def encode_question(name: str, record: Record, identity: int) -> bytes:
    """Return a question to a recursive server. `name` is one that `Endpoint` accepts."""
    labels = name.removesuffix(".").encode("ascii").split(b".")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return HEADER.pack(identity, RECURSION_DESIRED, 1, 0, 0, 0) + encoded + struct.pack("!HH", record, INTERNET)


def parse_answer(octets: bytes, name: str, record: Record, identity: int) -> Answer:
    """Parse the answer to that question. Raises ValueError for any other message."""
    try:
        their_identity, flags, questions, answers, _, _ = HEADER.unpack_from(octets)
        if not flags & RESPONSE or their_identity != identity or questions != 1:
            raise ValueError("the message answers another question")
        asked, at = _name(octets, HEADER.size)
        if (asked, *struct.unpack_from("!HH", octets, at)) != (_canonical(name), record, INTERNET):
            raise ValueError("the message answers another question")
        records = list(_records(octets, at + 4, answers))
    except (struct.error, IndexError) as error:
        raise ValueError("the message is truncated") from error
    return Answer(flags & CODE, _addresses(records, _canonical(name), record))


@dataclass(frozen=True, slots=True)
class _ResourceRecord:
    owner: bytes
    record: int
    data: bytes
    target: bytes = b""


def _records(octets: bytes, at: int, count: int) -> Iterator[_ResourceRecord]:
    for _ in range(count):
        owner, at = _name(octets, at)
        record, network, _, length = RECORD.unpack_from(octets, at)
        start, at = at + RECORD.size, at + RECORD.size + length
        if at > len(octets):
            raise IndexError
        if network == INTERNET:
            target = _name(octets, start)[0] if record == ALIAS else b""
            yield _ResourceRecord(owner, record, octets[start:at], target)


def _addresses(records: list[_ResourceRecord], name: bytes, record: Record) -> tuple[IPAddress, ...]:
    for _ in range(MAX_ALIASES):
        data = [found.data for found in records if found.owner == name and found.record == record]
        if data:
            kind = IPv4Address if record is Record.A else IPv6Address
            return tuple(kind(octets) for octets in data)
        alias = next((found.target for found in records if found.owner == name and found.record == ALIAS), None)
        if alias is None:
            return ()
        name = alias
    raise ValueError("too many aliases")


def _canonical(name: str) -> bytes:
    return name.removesuffix(".").lower().encode("ascii")


def _name(octets: bytes, at: int) -> tuple[bytes, int]:
    """Return a name in lower case, and the offset behind it. A pointer only leads back, so there is no loop."""
    labels: list[bytes] = []
    end, first = None, at
    while length := octets[at]:
        if length & POINTER == POINTER:
            end = at + 2 if end is None else end
            at = (length & ~POINTER) << 8 | octets[at + 1]
            if at >= first:
                raise ValueError("a compression pointer leads forward")
            first = at
        elif length & POINTER:
            raise ValueError("unknown label type")
        else:
            labels.append(octets[at + 1 : at + 1 + length])
            at += 1 + length
    return b".".join(labels).lower(), at + 1 if end is None else end
