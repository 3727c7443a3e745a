"""Questions and answers of DNS (RFC 1035, section 4), as far as the address of a name needs them."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from warren.tunnel.network import IPAddress

HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
INTERNET = 1
ALIAS = 5  # CNAME
RECURSION_DESIRED = 0x0100
RESPONSE = 0x8000
CODE = 0x000F
POINTER = 0xC0
MAX_ALIASES = 16  # a chain longer than that is a loop, or a mistake
MAX_MESSAGE = 4096


class Record(enum.IntEnum):
    """What is asked for."""

    A = 1
    AAAA = 28


class Code(enum.IntEnum):
    """How it went; a server may give others."""

    FOUND = 0
    NO_SUCH_NAME = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. `addresses` may be none though the name exists."""

    code: int
    addresses: tuple[IPAddress, ...] = ()


def encode_question(name: str, record: Record, identity: int) -> bytes:
    """A question to a recursive server. `name` is one that `Endpoint` takes."""
    labels = name.removesuffix(".").encode("ascii").split(b".")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return HEADER.pack(identity, RECURSION_DESIRED, 1, 0, 0, 0) + encoded + struct.pack("!HH", record, INTERNET)


def parse_answer(octets: bytes, name: str, record: Record, identity: int) -> Answer:
    """The answer to that question. Raises ValueError for what is none."""
    try:
        their_identity, flags, questions, answers, _, _ = HEADER.unpack_from(octets)
        if not flags & RESPONSE or their_identity != identity or questions != 1:
            raise ValueError("it answers another question")
        asked, at = _name(octets, HEADER.size)
        if (asked, *struct.unpack_from("!HH", octets, at)) != (_canonical(name), record, INTERNET):
            raise ValueError("it answers another question")
        found = list(_records(octets, at + 4, answers))
    except (struct.error, IndexError) as error:
        raise ValueError("it ends too early") from error
    return Answer(flags & CODE, _addresses(found, _canonical(name), record))


@dataclass(frozen=True, slots=True)
class _Found:
    owner: bytes
    record: int
    data: bytes
    target: bytes = b""


def _records(octets: bytes, at: int, count: int) -> Iterator[_Found]:
    for _ in range(count):
        owner, at = _name(octets, at)
        record, network, _, length = RECORD.unpack_from(octets, at)
        start, at = at + RECORD.size, at + RECORD.size + length
        if at > len(octets):
            raise IndexError
        if network == INTERNET:
            target = _name(octets, start)[0] if record == ALIAS else b""
            yield _Found(owner, record, octets[start:at], target)


def _addresses(found: list[_Found], name: bytes, record: Record) -> tuple[IPAddress, ...]:
    for _ in range(MAX_ALIASES):
        data = [each.data for each in found if each.owner == name and each.record == record]
        if data:
            kind = IPv4Address if record is Record.A else IPv6Address
            return tuple(kind(octets) for octets in data)
        alias = next((each.target for each in found if each.owner == name and each.record == ALIAS), None)
        if alias is None:
            return ()
        name = alias
    raise ValueError("its aliases lead nowhere")


def _canonical(name: str) -> bytes:
    return name.removesuffix(".").lower().encode("ascii")


def _name(octets: bytes, at: int) -> tuple[bytes, int]:
    """A name in lower case, and what comes behind it. A pointer leads back only, so there is no loop."""
    labels: list[bytes] = []
    end, first = None, at
    while length := octets[at]:
        if length & POINTER == POINTER:
            end = at + 2 if end is None else end
            at = (length & ~POINTER) << 8 | octets[at + 1]
            if at >= first:
                raise ValueError("a pointer leads forward")
            first = at
        elif length & POINTER:
            raise ValueError("a label of a kind that there is not")
        else:
            labels.append(octets[at + 1 : at + 1 + length])
            at += 1 + length
    return b".".join(labels).lower(), at + 1 if end is None else end
