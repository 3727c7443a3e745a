"""Audit events: one line of JSON for each decision and outcome (G-46, V-81, X-32).

The eight keys of the ViWorkS gateway agent come first, in its order. `ts corr_id verb duration_ms` of ViWorkS outbound
are four of them: `timestamp correlation_id command execution_time_ms`. docs/protocol/audit.md documents every key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache

from warren.audit.chain import MAX_LINE_BYTES

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
RECORD_BEGUN, RECORD_LOWERED = "store.initialized", "record.lowered"
"""The events that say when the record of used commands begins."""
INTENT_IAT = "intent_iat"
"""In the details of an accepted command: when its operator signed the intent."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The node and process that write a log."""

    agent_id: str
    site: str = ""
    boot: str = ""
    """The kernel's boot id; empty where there is none."""
    session: str = ""
    """A random value of this run of the agent."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One audit event. None means unknown or not applicable; no field holds a secret."""

    event: str
    """The event's name, `noun.verb_past`: `command.accepted`, `command.finished`."""
    timestamp: int
    """Seconds since the Unix epoch."""
    correlation_id: str | None = None
    command: str | None = None
    """The verb, once the signatures are verified."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Arguments that passed `redact.loggable_arguments`, and no others."""
    result: str = "success"
    """`success`, `error`, `denied` or `timeout`; `accepted` before execution."""
    execution_time_ms: int = 0
    source_ip: str | None = None
    actor: str | None = None
    status: str | None = None
    error_code: str = "NONE"
    rc: int | None = None
    kid: str | None = None
    nonce: str | None = None
    stderr_hash: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of values that are too long or secret: `args`, `stdout`, `script`."""
    details: Mapping[str, object] = field(default_factory=dict)
    """Further values of an event that is not about a command."""


def encode_line(event: AuditEvent, origin: Origin, n: int, prev: str) -> bytes:
    """Encode an event as a line of ASCII, without its newline.

    `parameters` and `details` are omitted if the line would be too long.

    Raises:
        ValueError: a number is not finite.
    """
    line = _encode(event, origin, n, prev)
    if len(line) > MAX_LINE_BYTES:
        return _encode(replace(event, parameters={}, details={"left_out_bytes": len(line)}), origin, n, prev)
    return line


def time_of(line: bytes) -> int:
    """Return the timestamp of a line in seconds since the Unix epoch; 0 if it has none."""
    try:
        members = json.loads(line)
        return int(datetime.fromisoformat(members["timestamp"]).timestamp())
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0


def intent_time(line: bytes) -> int:
    """Return when the intent of a line's command was signed; 0 if the line names none."""
    if INTENT_IAT.encode() not in line:
        return 0
    try:
        match json.loads(line):
            case {"details": {"intent_iat": int(seconds)}}:
                return int(seconds)
    except (ValueError, RecursionError):
        pass
    return 0


def record_beginning(line: bytes) -> int | None:
    """Return when the record of used commands begins from this line on; None if the line says nothing about it."""
    if not any(event.encode() in line for event in (RECORD_BEGUN, RECORD_LOWERED)):
        return None
    try:
        match json.loads(line):
            case {"event": event, "details": {"begun": int(seconds)}} if event == RECORD_BEGUN:
                return int(seconds)
            case {"event": event, "details": {"to": int(seconds)}} if event == RECORD_LOWERED:
                return int(seconds)
    except (ValueError, RecursionError):
        pass
    return None


def _encode(event: AuditEvent, origin: Origin, n: int, prev: str) -> bytes:
    members = {
        "timestamp": _rfc3339(event.timestamp),
        "correlation_id": event.correlation_id,
        "agent_id": origin.agent_id,
        "command": event.command,
        "parameters": dict(event.parameters),
        "result": event.result,
        "execution_time_ms": event.execution_time_ms,
        "source_ip": event.source_ip,
        "n": n,
        "boot": origin.boot,
        "session": origin.session,
        "site": origin.site,
        "event": event.event,
        "actor": event.actor,
        "status": event.status,
        "error_code": event.error_code,
        "rc": event.rc,
        "kid": event.kid,
        "nonce": event.nonce,
        "stderr_hash": event.stderr_hash,
        "hashes": dict(event.hashes),
        "details": dict(event.details),
        "prev": prev,
    }
    return _ENCODER.encode(members).encode("ascii")


@lru_cache(maxsize=16)  # a second has many lines
def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
