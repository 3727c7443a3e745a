"""Requests and answers on their lines (H-26, H-29, H-39)."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren import errors
from warren.errors import (
    HINTS,
    ConfigError,
    EngineError,
    Finding,
    HostError,
    InputError,
    InterfaceError,
    KeyFileError,
    RemoteError,
    StateError,
    WarrenError,
)
from warren.localapi.framing import JsonFramer
from warren.localapi.messages import (
    MAX_ID_CHARACTERS,
    TYPES_OF_CODES,
    ErrorType,
    Failure,
    MalformedRequestError,
    Request,
    Response,
    encode_request,
    encode_response,
    error_type,
    failure_of,
    parse_request,
)

from .strategies import members, values

pytestmark = pytest.mark.unit

words = st.text(min_size=1, max_size=MAX_ID_CHARACTERS)


def parsed(**given: object) -> Request:
    """The request of an object with these members."""
    return parse_request(given, itertools.count(7))


def test_missing_members_have_defaults() -> None:
    assert parsed(action="status") == Request("req-7", "status", "default", None)
    assert parsed(id=None, action="status", network=None, config=None) == parsed(action="status")


def test_only_a_request_without_an_id_takes_a_number() -> None:
    numbers = itertools.count(1)
    ids = [parse_request(each, numbers).id for each in ({"action": "a"}, {"id": "x", "action": "a"}, {"action": "a"})]
    assert ids == ["req-1", "x", "req-2"]


@given(st.builds(Request, words, words, words, st.none() | members))
def test_encoded_request_is_parsed_unchanged(request: Request) -> None:
    line = encode_request(request)
    assert line.count(b"\n") == 1
    (frame,) = JsonFramer().feed(line)
    assert isinstance(frame, dict)
    assert parse_request(frame, itertools.count()) == request


@pytest.mark.parametrize(
    ("members", "request_id", "problem"),
    [
        ({}, "req-7", "action: missing"),
        ({"id": "1"}, "1", "action: missing"),
        ({"id": "1", "action": 5}, "1", "action: expected a non-empty string"),
        ({"id": "1", "action": ""}, "1", "action: expected a non-empty string"),
        ({"id": "1", "action": "connect", "network": ["default"]}, "1", "network: expected a non-empty string"),
        ({"id": "1", "action": "connect", "config": "wg0.conf"}, "1", "config: expected an object"),
        ({"id": 1, "action": "status"}, "unknown", "id: expected a non-empty string"),
        ({"id": "x" * 257, "action": "status"}, "unknown", "id: expected at most 256 characters"),
        (
            {"id": "1", "action": "disconnect", "netwrok": "lab"},
            "1",
            "'netwrok' is an unknown member; expected id,",
        ),
    ],
)
def test_malformed_request_is_rejected_with_its_id(members: dict[str, object], request_id: str, problem: str) -> None:
    with pytest.raises(MalformedRequestError, match=f"^{problem}") as error:
        parse_request(members, itertools.count(7))
    assert (error.value.id, error_type(error.value)) == (request_id, ErrorType.PARSE)


@given(st.dictionaries(st.sampled_from(["id", "action", "network", "config", "x"]), values))
def test_any_object_is_parsed_or_rejected(members: dict[str, object]) -> None:
    with suppress(MalformedRequestError):
        parse_request(members, itertools.count())


@given(words, members)
def test_response_is_one_line(request_id: str, data: dict[str, object]) -> None:
    line = encode_response(Response(request_id, data))
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert json.loads(line) == {"id": request_id, "success": True, "data": data}


def test_failure_has_a_type_and_a_message() -> None:
    line = encode_response(Response("1", Failure(ErrorType.STATE, "no\nway")))
    error = {"type": "invalid_state", "message": "no\nway"}
    assert json.loads(line) == {"id": "1", "success": False, "error": error}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_unrepresentable_data_becomes_a_serialization_error(value: object) -> None:
    answer = json.loads(encode_response(Response("1", {"latency": value})))
    assert (answer["id"], answer["success"], answer["error"]["type"]) == ("1", False, "serialization_error")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError([Finding("mtu", "is 3", "expected more")]), ErrorType.CONFIG),
        (KeyFileError("", code="key_file.invalid"), ErrorType.CONFIG),
        (KeyFileError("", code="key_file.not_allowed"), ErrorType.PERMISSION),
        (KeyFileError("", code="key_file.permissions"), ErrorType.PERMISSION),
        (KeyFileError("", code="key_file.symlink"), ErrorType.PERMISSION),
        (InputError("", code="request.malformed"), ErrorType.PARSE),
        (InterfaceError("", code="interface.exists"), ErrorType.PLATFORM),
        (StateError("", code="network.invalid_state"), ErrorType.STATE),
        (StateError("", code="network.unknown"), ErrorType.NETWORK),
        (HostError("", code="host.no_tun"), ErrorType.PLATFORM),
        (HostError("", code="request.denied"), ErrorType.PERMISSION),
        (HostError("", code="request.unidentified"), ErrorType.AUTHENTICATION),
        (RemoteError("", code="uapi.malformed"), ErrorType.PLATFORM),
        (EngineError("", code="engine.failed"), ErrorType.INTERNAL),
    ],
)
def test_error_type_follows_the_code_then_the_class(error: WarrenError, expected: ErrorType) -> None:
    assert error_type(error) is expected


def test_every_error_class_and_code_has_a_type() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WarrenError)]
    for kind in kinds:
        if kind not in (WarrenError, ConfigError, EngineError):
            assert error_type(kind("", code="value.invalid")) is not ErrorType.INTERNAL
    assert TYPES_OF_CODES.keys() <= HINTS.keys()


def test_failure_includes_the_hint() -> None:
    error = HostError("the port is taken", code="host.refused", hint="choose another")
    assert failure_of(error).message == "the port is taken; choose another"
    assert failure_of(InputError("it is wrong", code="value.invalid")).message == "it is wrong"
