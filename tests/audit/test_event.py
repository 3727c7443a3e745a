"""Audit events: keys of the compatible interfaces, and redaction of secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.logs import ORIGIN
from warren.audit.chain import EMPTY, parse_link
from warren.audit.event import AuditEvent, encode_line
from warren.audit.redact import Rule, loggable_arguments
from warren.commands.schema import Number, Text

pytestmark = pytest.mark.unit

# ViWorkS gateway agent, "Audit Logging"; the values are ours.
GATEWAY_AGENT_KEYS = {
    "timestamp": "2027-01-15T08:00:00Z",
    "correlation_id": "c-1",
    "agent_id": "gateway-001",
    "command": "create_openvpn_user",
    "parameters": {"username": "user1"},
    "result": "success",
    "execution_time_ms": 123,
    "source_ip": "192.0.2.7",
}
# Row V-81, with the names of the ViWorkS gateway agent for the same values.
OUTBOUND_KEYS = {"timestamp", "agent_id", "site", "event", "correlation_id", "command", "status", "rc"} | {
    "execution_time_ms",
    "actor",
    "nonce",
    "error_code",
    "stderr_hash",
}
EVENT = AuditEvent(
    "command.finished",
    1_800_000_000,
    "c-1",
    "create_openvpn_user",
    {"username": "user1"},
    execution_time_ms=123,
    source_ip="192.0.2.7",
)
NAME = Text("[a-z]{1,8}", "a name")
RULES: Mapping[str, Rule] = {
    "username": NAME,
    "email": NAME,
    "password": Text(".*", "a password", secret=True),
    "timeout": Number(1, 9),
}


def test_encode_line_starts_with_keys_of_viworks_gateway_agent() -> None:
    line = json.loads(encode_line(EVENT, ORIGIN, 1, EMPTY.digest))
    assert list(line.items())[:8] == list(GATEWAY_AGENT_KEYS.items())


def test_encode_line_has_every_field_of_viworks_outbound() -> None:
    assert set(json.loads(encode_line(EVENT, ORIGIN, 1, EMPTY.digest))) >= OUTBOUND_KEYS


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_encode_line_makes_one_parseable_line_of_any_event(text: str, details: dict[str, object]) -> None:
    line = encode_line(AuditEvent("a.b", 0, correlation_id=text, details=details), ORIGIN, 7, "ab" * 32)
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert (parse_link(line).before.n, json.loads(line)["details"]) == (6, details)


def test_encode_line_omits_details_of_too_long_event() -> None:
    line = encode_line(AuditEvent("a.b", 0, correlation_id="c-1", details={"long": "x" * 70_000}), ORIGIN, 7, "ab" * 32)
    assert (parse_link(line).before.n, json.loads(line)["correlation_id"]) == (6, "c-1")


@pytest.mark.security
def test_loggable_arguments_omits_argument_that_schema_marks_secret() -> None:
    args = {"username": "anna", "password": "hunter22", "timeout": 5}
    assert loggable_arguments("create_panel_user", args, RULES) == {"username": "anna", "timeout": 5}


@pytest.mark.security
def test_loggable_arguments_keeps_only_username_of_new_vpn_user() -> None:
    """Row G-47."""
    assert loggable_arguments("create_openvpn_user", {"username": "anna", "email": "mail"}, RULES) == {
        "username": "anna"
    }


@pytest.mark.security
def test_loggable_arguments_omits_invalid_values() -> None:
    assert loggable_arguments("x", {"username": "no name!", "other": 1, "timeout": True, "email": ["a"]}, RULES) == {}
