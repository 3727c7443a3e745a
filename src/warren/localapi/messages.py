"""Parse requests and encode responses of the control socket (the harmony-agent interface; H-26, H-29, H-39).

A request is `{"id","action","network","config"}`. A response is `{"id","success":true,"data"}` or
`{"id","success":false,"error":{"type","message"}}` on one line. Names in a request's `config` are camelCase, as that
interface has them; names in a response's `data` are snake_case, as `tx_bytes` of H-34 (X-18).
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from warren.errors import (
    EngineError,
    HostError,
    InputError,
    InterfaceError,
    RemoteError,
    StateError,
    WarrenError,
    redacted_repr,
)

PROTOCOL_VERSION = 1
"""Increases when an action or a member changes its meaning or goes away; `info` reports it. What is added keeps it."""
UNKNOWN_ID = "unknown"
DEFAULT_NETWORK = "default"
MEMBERS = ("id", "action", "network", "config")
MAX_ID_CHARACTERS = 256  # every response repeats it


class ErrorType(enum.StrEnum):
    """Classify the errors of responses."""

    PARSE = "parse_error"
    SERIALIZATION = "serialization_error"
    STATE = "invalid_state"
    NETWORK = "network_not_found"
    CONFIG = "config_error"
    PLATFORM = "platform_error"
    INTERNAL = "internal_error"
    AUTHENTICATION = "authentication_failed"
    PERMISSION = "permission_denied"


TYPES_OF_CODES = {
    "network.invalid_state": ErrorType.STATE,
    "network.unknown": ErrorType.NETWORK,
    "key_file.symlink": ErrorType.PERMISSION,
    "key_file.not_allowed": ErrorType.PERMISSION,
    "key_file.permissions": ErrorType.PERMISSION,
    "request.denied": ErrorType.PERMISSION,
    "request.malformed": ErrorType.PARSE,
    "request.unidentified": ErrorType.AUTHENTICATION,
}
"""The type by error code, where it is more specific than the type by class."""
DIAL_CODES = frozenset(("dial.refused", "dial.timed_out", "dial.forbidden", "name.unresolved", "peer.unreachable"))
"""The reasons for which a dial fails, which a program that dials has to tell apart."""
TYPES_OF_CLASSES: Mapping[type[WarrenError], ErrorType] = {
    InputError: ErrorType.CONFIG,
    InterfaceError: ErrorType.PLATFORM,
    StateError: ErrorType.STATE,
    HostError: ErrorType.PLATFORM,
    RemoteError: ErrorType.PLATFORM,
    EngineError: ErrorType.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Request:
    """Hold what a client requests."""

    id: str
    action: str
    network: str = DEFAULT_NETWORK
    config: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Hold the reason for which a request was rejected or failed."""

    type: ErrorType
    message: str
    code: str = ""
    """The code of the error, where a client tells the reasons apart."""


@dataclass(frozen=True, slots=True)
class Response:
    """Hold the data that was requested, or the failure."""

    id: str
    result: Mapping[str, object] | Failure
    descriptor: int | None = None
    """The bytes that the connection carries after the response, if it becomes a stream."""


class MalformedRequestError(InputError):
    """Report an object that is no valid request; `id` is its own, or `unknown` if it cannot be read."""

    def __init__(self, problem: str, request_id: str) -> None:
        super().__init__(problem, code="request.malformed")
        self.id = request_id


def parse_request(members: Mapping[str, object], numbers: Iterator[int]) -> Request:
    """Parse an object; a request without an id gets the next of `numbers`. Raises MalformedRequestError.

    An unknown member is rejected: a misspelt `netwrok` would otherwise disconnect the default network.
    """
    request_id = _text(members, "id", UNKNOWN_ID) or f"req-{next(numbers)}"
    if len(request_id) > MAX_ID_CHARACTERS:
        raise MalformedRequestError(f"id: expected at most {MAX_ID_CHARACTERS} characters", UNKNOWN_ID)
    for name in members:
        if name not in MEMBERS:
            problem = f"{redacted_repr(name, MAX_ID_CHARACTERS)} is an unknown member; expected {', '.join(MEMBERS)}"
            raise MalformedRequestError(problem, request_id)
    action = _text(members, "action", request_id)
    if not action:
        raise MalformedRequestError("action: missing; expected the name of an action, such as status", request_id)
    config = members.get("config")
    if config is not None and not isinstance(config, dict):
        raise MalformedRequestError("config: expected an object", request_id)
    return Request(request_id, action, _text(members, "network", request_id) or DEFAULT_NETWORK, config)


def _text(members: Mapping[str, object], name: str, request_id: str) -> str:
    """Return a string member, or an empty string where it is missing or null."""
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value:
        raise MalformedRequestError(f"{name}: expected a non-empty string", request_id)
    return value


def encode_request(request: Request) -> bytes:
    """Encode a request as one line."""
    members = {"id": request.id, "action": request.action, "network": request.network}
    return _line(members if request.config is None else {**members, "config": request.config})


def encode_response(response: Response) -> bytes:
    """Encode a response as one line. Data that JSON cannot represent, such as NaN, becomes a `serialization_error`."""
    if not isinstance(response.result, Failure):
        try:
            return _line({"id": response.id, "success": True, "data": response.result})
        except (TypeError, ValueError) as error:
            return encode_response(Response(response.id, Failure(ErrorType.SERIALIZATION, str(error))))
    failure = {"type": response.result.type.value, "message": response.result.message}
    if response.result.code:
        failure["code"] = response.result.code
    return _line({"id": response.id, "success": False, "error": failure})


def _line(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def failure_of(error: WarrenError) -> Failure:
    """Return the failure that reports an error: its type, and its message with the hint."""
    message = f"{error}; {error.hint}" if error.hint else str(error)
    return Failure(error_type(error), message, error.code if error.code in DIAL_CODES else "")


def error_type(error: WarrenError) -> ErrorType:
    """Return the type of an error: by its code, else by its nearest class."""
    by_class = (TYPES_OF_CLASSES[kind] for kind in type(error).__mro__ if kind in TYPES_OF_CLASSES)
    return TYPES_OF_CODES.get(error.code) or next(by_class, ErrorType.INTERNAL)
