"""What the audit log says of a command: one event for each decision, and one for its outcome (G-46, V-81)."""

from __future__ import annotations

from dataclasses import replace

from warren.audit.event import AuditEvent
from warren.audit.redact import loggable_arguments
from warren.commands.command import VerifiedCommand
from warren.commands.effects.effect import sha256_hex
from warren.commands.rejection import ProvenClaims
from warren.commands.result import CommandError, Result, Status
from warren.commands.schema import nearest
from warren.commands.verbs import Verb

RESULTS = {
    Status.SUCCESS: "success",
    Status.ERROR: "error",
    Status.DENIED: "denied",
    Status.TIMEOUT: "timeout",
}


def accepted(command: VerifiedCommand, verb: Verb, source: str, now: float) -> AuditEvent:
    """It is about to run."""
    return AuditEvent(
        "command.accepted",
        int(now),
        correlation_id=command.corr_id,
        command=command.verb,
        parameters=loggable_arguments(command.verb, command.args, nearest(verb.schemas, command.args).rules),
        result="accepted",
        source_ip=source,
        actor=command.actor.id,
        kid=command.kid,
        nonce=command.nonce,
        hashes={"args": command.args_sha256},
    )


def finished(command: VerifiedCommand, verb: Verb, result: Result, source: str) -> AuditEvent:
    """What became of it."""
    return replace(
        accepted(command, verb, source, result.ts),
        event="command.finished",
        result=RESULTS[result.status],
        execution_time_ms=result.duration_ms,
        status=result.status.value,
        error_code=result.error_code.value,
        rc=result.rc,
        stderr_hash=result.stderr_hash,
        hashes={"args": command.args_sha256, "stdout": sha256_hex(result.stdout.encode())},
        details={"level": result.level},
    )


def refused(error: CommandError, source: str, now: float, facts: ProvenClaims, unwritten: int = 0) -> AuditEvent:
    """It was not run; `facts` are what was proven of it by then, `unwritten` is how many before it have no line."""
    return AuditEvent(
        "command.refused",
        int(now),
        correlation_id=facts.corr_id,
        command=facts.verb,
        result=RESULTS[error.status],
        source_ip=source,
        actor=facts.actor.id if facts.actor else None,
        status=error.status.value,
        error_code=error.code.value,
        kid=facts.kid,
        nonce=facts.nonce,
        details={"problem": str(error), **({"unwritten": unwritten} if unwritten else {})},
    )
