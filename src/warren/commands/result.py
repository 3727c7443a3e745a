"""The result of a command: the RESULT of ViWorkS outbound (V-67 to V-73), with its codes (V-69, V-70).

`docs/protocol/errors.md` has a row for each code; `tests/commands/test_errors.py` compares the two.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
NOT_RUN = -1
"""The `rc` of a command for which no program ran."""

UNKNOWN = "unknown"
"""`corr_id` and `verb` in the RESULT of a command whose signature was not verified."""


class Status(enum.StrEnum):
    """The status of a command (V-68)."""

    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    DENIED = "DENIED"
    TIMEOUT = "TIMEOUT"


class Code(enum.StrEnum):
    """The error codes: the nine of ViWorkS outbound, then Warren's."""

    NONE = "NONE"
    SCRIPT_NOT_FOUND = "SCRIPT_NOT_FOUND"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    EXEC_TIMEOUT = "EXEC_TIMEOUT"
    RATE_LIMITED = "RATE_LIMITED"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    EXPIRED_TOKEN = "EXPIRED_TOKEN"  # noqa: S105, a code
    REPLAY_DETECTED = "REPLAY_DETECTED"
    UNKNOWN_VERB = "UNKNOWN_VERB"
    SCHEMA_MISMATCH = "SCHEMA_MISMATCH"
    EXEC_FAILED = "EXEC_FAILED"
    STALE_SESSION = "STALE_SESSION"
    POLICY_DENIED = "POLICY_DENIED"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    QUEUE_FULL = "QUEUE_FULL"
    STORE_FULL = "STORE_FULL"
    EXEC_DISABLED = "EXEC_DISABLED"
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"
    SHUTTING_DOWN = "SHUTTING_DOWN"


class CommandError(Exception):
    """A command is rejected or has failed: one code, and a sentence for people that holds no secret.

    `status` is DENIED if it was rejected before anything ran, else ERROR or TIMEOUT.
    """

    def __init__(self, code: Code, problem: str, status: Status = Status.DENIED) -> None:
        super().__init__(problem)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Result:
    """RESULT as in ViWorkS outbound, with Warren's additions at the end."""

    corr_id: str
    agent_id: str
    verb: str
    status: Status
    error_code: Code
    ts: int
    """When it was determined, in seconds since the Unix epoch; RFC 3339 on the wire."""
    rc: int = NOT_RUN
    duration_ms: int = 0
    stdout: str = ""
    """Text with secrets masked, truncated at a limit with a mark (V-73)."""
    stderr_hash: str = EMPTY_SHA256
    data: Mapping[str, object] = field(default_factory=dict)
    """The verb's answer; secret fields are sealed to the operator."""
    problem: str = ""
    """For people, unless the status is SUCCESS and the result is complete."""
    level: str = "L0"
    """The weakest sandbox that a program of it ran in; L0 also if none ran."""
