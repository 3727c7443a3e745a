"""A line has the documents' names, and no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.logs import ORIGIN
from warren.audit.chain import EMPTY, parse_link
from warren.audit.event import AuditEvent, encode_line
from warren.audit.redact import Rule, permitted
from warren.commands.schema import Number, Text

pytestmark = pytest.mark.unit

# Document 001, "Audit Logging"; the values are ours.
DOCUMENT_001 = {
    "timestamp": "2027-01-15T08:00:00Z",
    "correlation_id": "c-1",
    "agent_id": "gateway-001",
    "command": "create_openvpn_user",
    "parameters": {"username": "user1"},
    "result": "success",
    "execution_time_ms": 123,
    "source_ip": "192.0.2.7",
}
# Row V-81, with the names that document 001 has for the same.
DOCUMENT_004 = {"timestamp", "agent_id", "site", "event", "correlation_id", "command", "status", "rc"} | {
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


def test_document_001_s_keys_come_first_and_as_it_shows_them() -> None:
    line = json.loads(encode_line(EVENT, ORIGIN, 1, EMPTY.digest))
    assert list(line.items())[:8] == list(DOCUMENT_001.items())


def test_every_field_of_document_004_is_there() -> None:
    assert set(json.loads(encode_line(EVENT, ORIGIN, 1, EMPTY.digest))) >= DOCUMENT_004


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_an_event_of_anything_is_one_line_that_can_be_read(text: str, details: dict[str, object]) -> None:
    line = encode_line(AuditEvent("a.b", 0, correlation_id=text, details=details), ORIGIN, 7, "ab" * 32)
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert (parse_link(line).before.n, json.loads(line)["details"]) == (6, details)


def test_of_an_event_that_is_too_long_the_rest_is_a_line() -> None:
    line = encode_line(AuditEvent("a.b", 0, correlation_id="c-1", details={"long": "x" * 70_000}), ORIGIN, 7, "ab" * 32)
    assert (parse_link(line).before.n, json.loads(line)["correlation_id"]) == (6, "c-1")


@pytest.mark.security
def test_a_secret_argument_is_left_out_by_its_schema() -> None:
    args = {"username": "anna", "password": "hunter22", "timeout": 5}
    assert permitted("create_panel_user", args, RULES) == {"username": "anna", "timeout": 5}


@pytest.mark.security
def test_of_a_new_vpn_user_only_the_name_is_written() -> None:
    """Row G-47."""
    assert permitted("create_openvpn_user", {"username": "anna", "email": "mail"}, RULES) == {"username": "anna"}


@pytest.mark.security
def test_what_no_rule_accepts_is_left_out() -> None:
    assert permitted("x", {"username": "no name!", "other": 1, "timeout": True, "email": ["a"]}, RULES) == {}
