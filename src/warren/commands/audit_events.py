"""The audit events of a command: one for each decision, and one for its outcome (G-46, V-81)."""

from __future__ import annotations

from dataclasses import replace

from warren.audit.event import INTENT_IAT, AuditEvent
from warren.audit.redact import loggable_arguments
from warren.commands.command import VerifiedCommand
from warren.commands.effects.effect import sha256_hex
from warren.commands.rejection import ProvenClaims
from warren.commands.result import CommandError, Result, Status
from warren.commands.schema import nearest
from warren.commands.verb import Verb

RESULTS = {
    Status.SUCCESS: "success",
    Status.ERROR: "error",
    Status.DENIED: "denied",
    Status.TIMEOUT: "timeout",
}


def accepted(command: VerifiedCommand, verb: Verb, source: str, now: float) -> AuditEvent:
    """Return the event of a command that is about to run."""
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
        details={} if command.intent_iat is None else {INTENT_IAT: command.intent_iat},
    )


def previewed(command: VerifiedCommand, verb: Verb, source: str, now: float) -> AuditEvent:
    """Return the event of a dry run that is about to begin."""
    return replace(accepted(command, verb, source, now), event="command.previewed", result="previewed")


def finished(command: VerifiedCommand, verb: Verb, result: Result, source: str) -> AuditEvent:
    """Return the event of a command that has a result."""
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


def refused(error: CommandError, source: str, now: float, claims: ProvenClaims, unwritten: int = 0) -> AuditEvent:
    """Return the event of a command that was not run; `unwritten` is how many rejections before it have no line."""
    return AuditEvent(
        "command.refused",
        int(now),
        correlation_id=claims.corr_id,
        command=claims.verb,
        result=RESULTS[error.status],
        source_ip=source,
        actor=claims.actor.id if claims.actor else None,
        status=error.status.value,
        error_code=error.code.value,
        kid=claims.kid,
        nonce=claims.nonce,
        details={"problem": str(error), **({"unwritten": unwritten} if unwritten else {})},
    )
