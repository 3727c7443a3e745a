"""What is written down of each decision and outcome: one line of JSON (G-46, V-81, X-32).

The eight keys of document 001 come first, in its order; document 004's `ts corr_id verb duration_ms` are four of them:
`timestamp correlation_id command execution_time_ms`. docs/protocol/audit.md has every key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from warren.audit.chain import MAX_LINE_BYTES


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose log it is."""

    agent_id: str
    site: str = ""
    boot: str = ""
    """The kernel's random value of this boot; empty where there is none."""
    session: str = ""
    """What the agent made at random when it started."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One of them. What is None is not known, or there is none; nothing here is a secret."""

    event: str
    """`command.` and `accepted`, `repeated`, `refused`, `finished` or `interrupted`; `noun.verb` of anything else."""
    timestamp: int
    """Seconds since the Unix epoch."""
    correlation_id: str | None = None
    command: str | None = None
    """The verb, once its signatures are proven."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """As `redact.permitted` gives them, and no other way."""
    result: str = "success"
    """`success`, `error`, `denied`, `timeout`; `accepted` for what is about to run."""
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
    """SHA-256 of what is too long or too secret to stand here: `args`, `stdout`, `script`."""
    details: Mapping[str, object] = field(default_factory=dict)
    """What else belongs to an event that is no command's."""


def encode_line(event: AuditEvent, origin: Origin, n: int, prev: str) -> bytes:
    """One line of ASCII, without its newline. Raises ValueError for a number that JSON does not have.

    Of an event that is longer than any line may be, `parameters` and `details` are left out.
    """
    line = _encode(event, origin, n, prev)
    if len(line) > MAX_LINE_BYTES:
        return _encode(replace(event, parameters={}, details={"left_out_bytes": len(line)}), origin, n, prev)
    return line


def _encode(event: AuditEvent, origin: Origin, n: int, prev: str) -> bytes:
    members = {
        "timestamp": datetime.fromtimestamp(event.timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
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
    return json.dumps(members, allow_nan=False, separators=(",", ":")).encode("ascii")
