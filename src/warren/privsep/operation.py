"""An operation of the helper: one row with its request, the closed shape of that, what performs it, and its reply.

A request is one datagram of JSON, `{"op": NAME, …}` with the fields of that request and no others. A reply is
`{"answer": …}` or `{"error": …}`, with a descriptor beside it (SCM_RIGHTS) where the operation returns one. Everything
else is rejected, also what two parsers could read differently and text that no path can be (`strictjson`): the process
that asks may have been taken over.

This module is pure: a row is a value, and `perform` is called by the process that has the privileges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from warren.errors import InputError, WarrenError
from warren.privsep.wire import Codec, Fields, check_shape, decode_record, encode_record, error_members, parse_error
from warren.strictjson import parse_object

MAX_BYTES = 131_072  # an exit node with two thousand prefixes; a socket takes no datagram much longer

State = TypeVar("State")
Request = TypeVar("Request")
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Operation(Generic[State, Request, Reply]):
    """A row of the table. The name of the request's class is the name on the wire."""

    request: type[Request]
    fields: Fields
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
        return json.dumps({"op": self.name, **encode_record(request, self.fields)}).encode()

    def decode(self, members: Mapping[str, object]) -> Request:
        """Return the request with these members. Raises ValueError if one is missing, unknown or invalid."""
        return decode_record(self.request, self.fields, members)


Operations = Mapping[str, Operation[Any, Any, Any]]


def operation_table(*rows: Operation[Any, Any, Any]) -> Operations:
    """Return the rows by their names. Raises ValueError for a row whose fields are not those of its request."""
    for row in rows:
        check_shape(row.request, row.fields)
    return {row.name: row for row in rows}


def parse_request(octets: bytes, operations: Operations) -> tuple[Operation[Any, Any, Any], Any]:
    """Return the operation and the request of a datagram. Raises InputError for everything that is not in the table."""
    try:
        members = parse_object(octets)
        operation = operations[str(members.pop("op"))]
        return operation, operation.decode(members)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("the request is not an operation of the helper", code="helper.refused") from error


def encode_answer(answer: object) -> bytes:
    """Return the datagram of a reply."""
    return json.dumps({"answer": answer}).encode()


def encode_error(error: WarrenError) -> bytes:
    """Return the datagram of a refusal."""
    return json.dumps({"error": error_members(error)}).encode()


def parse_answer(octets: bytes) -> object:
    """Return what a reply carries. Raises the error that the helper met."""
    members = json.loads(octets)
    if "error" in members:
        raise parse_error(members["error"])
    return members["answer"]


def _no_descriptor(_: object) -> int:
    raise ValueError("a descriptor is passed beside the reply")


DESCRIPTOR: Codec[int] = Codec(lambda _: None, _no_descriptor)
"""The reply is a descriptor, which belongs to the caller."""
