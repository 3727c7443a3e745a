"""Commands as the verifier hands them on, and events that tell of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from warren.audit.event import AuditEvent
from warren.commands.command import Actor, VerifiedCommand
from warren.commands.effects.effect import sha256_hex
from warren.commands.result import Code, Result, Status

NOW = 1_800_000_000
GATEWAY = "gateway-001"

ORDER = VerifiedCommand(
    envelope="",
    kid="dispatch",
    nonce="n-1",
    corr_id="c-1",
    cluster="office",
    agent_id="gateway-001",
    verb="delete_user",
    args={"username": "anna"},
    args_sha256=sha256_hex(b"delete_user anna"),
    actor=Actor("operator", "ADMIN"),
    policy_id="p-1",
    transport="local",
    sid="s-1",
    iat=NOW,
    exp=NOW + 60,
    intent_iat=NOW,
)


def order(number: int, **changes: Any) -> VerifiedCommand:
    """One with numbers of its own; its intent was signed when it was, unless `intent_iat` says otherwise."""
    changes = {"intent_iat": changes.get("iat", NOW), **changes}
    return replace(ORDER, nonce=f"n-{number}", corr_id=f"c-{number}", **changes)


def result(command: VerifiedCommand, code: Code = Code.NONE) -> Result:
    """What came of it."""
    status = Status.SUCCESS if code is Code.NONE else Status.ERROR
    return Result(command.corr_id, GATEWAY, command.verb, status, code, command.iat, data={"user": command.corr_id})


def accepted(command: VerifiedCommand) -> AuditEvent:
    """The event of an acceptance."""
    return AuditEvent(
        "command.accepted", command.iat, command.corr_id, command.verb, result="accepted", nonce=command.nonce
    )


def finished(command: VerifiedCommand) -> AuditEvent:
    """The event of an outcome."""
    return AuditEvent("command.finished", command.iat, command.corr_id, command.verb, status="SUCCESS")
