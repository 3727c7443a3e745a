"""What the agent and its runner say to each other: one object of JSON on a line each.

The runner is root and takes nothing on trust: what it is asked is an envelope, which it verifies itself. What it
answers is believed.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from warren.commands.result import Result
from warren.commands.result_json import parse_result, result_members
from warren.errors import InputError

# Of a line: an envelope has 64 KiB at most, a result 1 MiB of output, of which JSON may need six octets for one.
MAX_OCTETS = 16 << 20


@dataclass(frozen=True, slots=True)
class Execute:
    """Run the privileged part of a signed command; `transport` is how the agent received it."""

    number: int
    envelope: str
    transport: str
    sid: str
    source: str
    dry: bool = False
    """Whether only to say what it would do."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """It is to end."""

    corr_id: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Output:
    """What a program of it has said just now."""

    corr_id: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """An event, for the agent to tell."""

    event: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResultMessage:
    """What became of it."""

    number: int
    result: Result


Message = Execute | Cancel | Output | Event | ResultMessage


def encode_message(word: Message) -> bytes:
    """One line."""
    match word:
        case Output(corr_id, octets):
            members: dict[str, object] = {"corr_id": corr_id, "octets": b64encode(octets).decode()}
        case ResultMessage(number, result):
            members = {"number": number, "result": result_members(result)}
        case Event(event, fields):
            members = {"event": event, "fields": dict(fields)}
        case Execute(number, envelope, transport, sid, source, dry):
            where = {"transport": transport, "sid": sid, "source": source, "dry": dry}
            members = {"number": number, "envelope": envelope, **where}
        case Cancel(corr_id, code, why):
            members = {"corr_id": corr_id, "code": code, "why": why}
        case _:
            assert_never(word)
    return json.dumps({"op": type(word).__name__.removesuffix("Message"), **members}, allow_nan=False).encode() + b"\n"


def parse_message(line: bytes) -> Message:
    """Raises InputError for what is none."""
    try:
        found = json.loads(line)
        message = _message(found)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("malformed runner message", code="helper.refused") from error
    return message


def _message(found: object) -> Message:
    match found:
        case {"op": "Execute", "number": int(number), "envelope": str(text), "transport": str(transport), **rest}:
            return Execute(number, text, transport, str(rest["sid"]), str(rest["source"]), rest["dry"] is True)
        case {"op": "Cancel", "corr_id": str(corr_id), "code": str(code), "why": str(why)}:
            return Cancel(corr_id, code, why)
        case {"op": "Output", "corr_id": str(corr_id), "octets": str(text)}:
            return Output(corr_id, b64decode(text, validate=True))
        case {"op": "Event", "event": str(event), "fields": dict(fields)}:
            return Event(event, fields)
        case {"op": "Result", "number": int(number), "result": dict(result)}:
            return ResultMessage(number, parse_result(result))
    raise ValueError
