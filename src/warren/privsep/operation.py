"""An operation of the helper: one row with its request, the closed shape of that, what performs it, and its reply.

A request is one datagram of JSON, `{"op": NAME, …}` with the fields of that request and no others. A reply is
`{"answer": …}` or `{"error": …}`, with a descriptor beside it (SCM_RIGHTS) where the operation returns one. Everything
else is rejected: the process that asks may have been taken over.

This module is pure: a row is a value, and `perform` is called by the process that has the privileges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Generic, TypeVar

from warren.errors import HostError, InputError, InterfaceError, KeyFileError, StateError, WarrenError

MAX_BYTES = 16_384  # a path of PATH_MAX octets, each escaped, is the longest that a request can need
ERRORS = {kind.__name__: kind for kind in (HostError, InputError, InterfaceError, KeyFileError, StateError)}

T = TypeVar("T")
State = TypeVar("State")
Request = TypeVar("Request")
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How a value is written as JSON. `decode` raises ValueError for every other value."""

    encode: Callable[[T], object]
    decode: Callable[[object], T]


@dataclass(frozen=True, slots=True)
class Operation(Generic[State, Request, Reply]):
    """A row of the table. The name of the request's class is the name on the wire."""

    request: type[Request]
    fields: Mapping[str, Codec[Any]]
    perform: Callable[[State, Request], Reply]
    """Raises WarrenError and OSError, which the reply carries."""
    reply: Codec[Reply]

    @property
    def name(self) -> str:
        """Return the name on the wire."""
        return self.request.__name__

    @property
    def returns_descriptor(self) -> bool:
        """Return whether the reply is a file descriptor."""
        return self.reply is DESCRIPTOR

    def encode(self, request: Request) -> bytes:
        """Return the datagram of a request."""
        members = {name: codec.encode(getattr(request, name)) for name, codec in self.fields.items()}
        return json.dumps({"op": self.name, **members}).encode()

    def decode(self, members: Mapping[str, object]) -> Request:
        """Return the request with these members. Raises ValueError if a member is missing, unknown or invalid."""
        if members.keys() != self.fields.keys():
            raise ValueError("unexpected fields")
        return self.request(**{name: codec.decode(members[name]) for name, codec in self.fields.items()})


Operations = Mapping[str, Operation[Any, Any, Any]]


def operation_table(*rows: Operation[Any, Any, Any]) -> Operations:
    """Return the rows by their names. Raises ValueError for a row whose fields are not those of its request."""
    for row in rows:
        if {each.name for each in fields(row.request)} != row.fields.keys():
            raise ValueError(f"{row.name}: the row and the request have different fields")
    return {row.name: row for row in rows}


def parse_request(octets: bytes, operations: Operations) -> tuple[Operation[Any, Any, Any], Any]:
    """Return the operation and the request of a datagram. Raises InputError for everything that is not in the table."""
    try:
        members = json.loads(octets)
        operation = operations[members.pop("op")]
        return operation, operation.decode(members)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError("the request is not an operation of the helper", code="helper.refused") from error


def encode_answer(answer: object) -> bytes:
    """Return the datagram of a reply."""
    return json.dumps({"answer": answer}).encode()


def encode_error(error: WarrenError) -> bytes:
    """Return the datagram of a refusal."""
    return json.dumps({"error": error_fields(error)}).encode()


def parse_answer(octets: bytes) -> object:
    """Return what a reply carries. Raises the error that the helper met."""
    members = json.loads(octets)
    if "error" in members:
        raise parse_error(members["error"])
    return members["answer"]


def error_fields(error: WarrenError) -> dict[str, object]:
    """Return the members of an error."""
    kind = next((name for name, kind in ERRORS.items() if type(error) is kind), HostError.__name__)
    return {"kind": kind, "problem": str(error), "code": error.code, "errno": error.errno, "hint": error.hint}


def parse_error(members: Mapping[str, object]) -> WarrenError:
    """Return the error of these members, which a helper wrote."""
    number = members["errno"]
    return ERRORS[str(members["kind"])](
        str(members["problem"]),
        code=str(members["code"]),
        errno=number if isinstance(number, int) else None,
        hint=str(members["hint"]),
    )


def text_codec(problems: Callable[[str], Sequence[object]] = lambda _: ()) -> Codec[str]:
    """Return the codec of a text in which `problems` finds none."""

    def decode(value: object) -> str:
        if not isinstance(value, str) or problems(value):
            raise ValueError("invalid text")
        value.encode()  # an unpaired surrogate is no text, and the system would not take it
        return value

    return Codec(lambda value: value, decode)


def enum_codec(kind: Callable[[str], T]) -> Codec[T]:
    """Return the codec of the texts of an enumeration, or of what else is made from a text."""

    def decode(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError("expected a text")  # noqa: TRY004, it is the text that is wrong
        return kind(value)

    return Codec(lambda value: value.value if isinstance(value, Enum) else str(value), decode)


def tuple_codec(item: Codec[T], least: int, most: int) -> Codec[tuple[T, ...]]:
    """Return the codec of a list of `least` to `most` items."""

    def decode(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise ValueError(f"expected a list of {least} to {most}")
        return tuple(item.decode(each) for each in value)

    return Codec(lambda value: [item.encode(each) for each in value], decode)


def _decode_none(value: object) -> None:
    if value is not None:
        raise ValueError("expected nothing")


def _no_descriptor(_: object) -> int:
    raise ValueError("a descriptor is passed beside the reply")


TEXT = text_codec()
NOTHING: Codec[None] = Codec(lambda _: None, _decode_none)
DESCRIPTOR: Codec[int] = Codec(lambda _: None, _no_descriptor)
"""The reply is a descriptor, which belongs to the caller."""
