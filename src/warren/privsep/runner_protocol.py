"""Messages between the agent and its runner: one JSON object on each line, `{"op": NAME, …}` with a closed shape.

    agent → runner: Execute Cancel      runner → agent: Output Event Result Preview Error

The runner is root and trusts nothing that it receives: a command is an envelope, which it verifies itself. The agent
trusts what the runner sends. A message is one row of `MESSAGES`; `io.runner` and `io.runner_client` have what each
process does on receiving it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from warren.commands.dry_run import DryRun
from warren.commands.result import Code, CommandError, Result, Status
from warren.commands.result_json import parse_result, result_members
from warren.errors import InputError, WarrenError
from warren.privsep.wire import (
    ERROR,
    FLAG,
    MEMBERS,
    NUMBER,
    OCTETS,
    TEXT,
    Codec,
    Fields,
    check_shape,
    decode_record,
    encode_record,
    parsed_codec,
    tuple_codec,
)

STORE_FAILED, STORE_RECOVERED = "store.failed", "store.recovered"
"""Events of the runner's own store, when it can no longer be written and when it can again."""
MAX_BYTES = 16 << 20  # of a line: a result has 1 MiB of output, of which JSON may need six bytes for one
MAX_REQUEST_BYTES = 128 << 10  # of a line to the runner: an envelope, which JSON leaves as it is, and little else
MAX_EFFECTS = 100_000  # of a dry run; the line is the tighter limit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Execute:
    """Run the privileged part of a signed command, or preview it.

    `transport` is how the agent received the command, in its session `sid`, from `source`.
    """

    number: int
    envelope: str
    transport: str
    sid: str
    source: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a command."""

    corr_id: str
    code: Code
    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """Pass on what a program of a command has written just now."""

    corr_id: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """Pass on an event."""

    event: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResultMessage:
    """Answer `Execute` with the result of the command."""

    number: int
    result: Result


@dataclass(frozen=True, slots=True)
class Rejection:
    """The reason why a dry run was rejected."""

    code: Code
    status: Status
    problem: str

    @classmethod
    def of_error(cls, error: CommandError) -> Rejection:
        """Return the reason of an error."""
        return cls(error.code, error.status, str(error))

    def as_error(self) -> CommandError:
        """Return the error to raise."""
        return CommandError(self.code, self.problem, self.status)


@dataclass(frozen=True, slots=True)
class Preview:
    """Answer a dry run: with what the command would do, or with why it is rejected."""

    number: int
    outcome: DryRun | Rejection


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """Report why the runner cannot serve, before it exits."""

    error: WarrenError


Message = Execute | Cancel | Output | Event | ResultMessage | Preview | ErrorMessage


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A row of the table: the name on the wire, the class and the closed shape of a message."""

    name: str
    kind: type[Any]
    fields: Fields


def _encode_outcome(outcome: DryRun | Rejection) -> dict[str, object]:
    match outcome:
        case DryRun():
            return {"dry_run": encode_record(outcome, DRY_RUN)}
        case Rejection():
            return {"rejection": encode_record(outcome, REJECTION)}


def _decode_outcome(value: object) -> DryRun | Rejection:
    match value:
        case {"dry_run": dict(members), **rest} if not rest:
            return decode_record(DryRun, DRY_RUN, members)
        case {"rejection": dict(members), **rest} if not rest:
            return decode_record(Rejection, REJECTION, members)
    raise ValueError("expected a dry run or a rejection")


CODE: Codec[Code] = parsed_codec(Code)
DRY_RUN: Fields = {"effects": tuple_codec(TEXT, 0, MAX_EFFECTS), "problem": TEXT, "data": MEMBERS}
REJECTION: Fields = {"code": CODE, "status": parsed_codec(Status), "problem": TEXT}
RESULT = Codec(result_members, lambda value: parse_result(MEMBERS.decode(value)))
MESSAGES = (
    MessageRow(
        "Execute",
        Execute,
        {"number": NUMBER, "envelope": TEXT, "transport": TEXT, "sid": TEXT, "source": TEXT, "dry_run": FLAG},
    ),
    MessageRow("Cancel", Cancel, {"corr_id": TEXT, "code": CODE, "reason": TEXT}),
    MessageRow("Output", Output, {"corr_id": TEXT, "octets": OCTETS}),
    MessageRow("Event", Event, {"event": TEXT, "fields": MEMBERS}),
    MessageRow("Result", ResultMessage, {"number": NUMBER, "result": RESULT}),
    MessageRow("Preview", Preview, {"number": NUMBER, "outcome": Codec(_encode_outcome, _decode_outcome)}),
    MessageRow("Error", ErrorMessage, {"error": ERROR}),
)


def message_table(*rows: MessageRow) -> Mapping[str, MessageRow]:
    """Return the rows by their names. Raises ValueError for a row whose fields are not those of its class."""
    for row in rows:
        check_shape(row.kind, row.fields)
    return {row.name: row for row in rows}


_BY_NAME = message_table(*MESSAGES)
_BY_KIND = {row.kind: row for row in MESSAGES}


def encode_message(message: Message) -> bytes:
    """Return the line of a message."""
    row = _BY_KIND[type(message)]
    return json.dumps({"op": row.name, **encode_record(message, row.fields)}, allow_nan=False).encode() + b"\n"


def parse_message(line: bytes) -> Message:
    """Return the message of a line. Raises InputError for everything that is not in the table."""
    try:
        members = json.loads(line)
        row = _BY_NAME[members.pop("op")]
        message: Message = decode_record(row.kind, row.fields, members)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError("malformed runner message", code="helper.refused") from error
    return message
