"""Commands as the verifier makes them, for tests of what comes after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from warren.commands.command import Actor, VerifiedCommand
from warren.commands.execution import Handlers
from warren.commands.handlers import files, locks, system
from warren.commands.result import Result
from warren.commands.settings import CommandSettings, ContainerSettings, SandboxSettings, SecuritySettings
from warren.trust.sealing import SecretScope

COMMAND = VerifiedCommand(
    envelope="",
    kid="kid",
    nonce="nonce",
    corr_id="corr-1",
    cluster="office",
    agent_id="gateway-001",
    verb="list_users",
    args={},
    args_sha256="0" * 64,
    actor=Actor("ada", "ADMIN"),
    policy_id="policy-1",
    transport="local",
    sid="sid",
    iat=1_700_000_000,
    exp=1_700_000_060,
    intent_iat=1_700_000_000,
)


def secret_scope(result: Result) -> SecretScope:
    """Return the scope of the secrets in a result of `COMMAND`."""
    return replace(COMMAND.secret_scope(), verb=result.verb, corr_id=result.corr_id)


def command(verb: str, args: Mapping[str, object] | None = None, **others: object) -> VerifiedCommand:
    """One of this verb."""
    return replace(COMMAND, verb=verb, args=args or {}, **others)  # type: ignore[arg-type]


def settings(directory: str = "/nowhere", *, sandbox: SandboxSettings | None = None) -> CommandSettings:
    """All of it at its defaults but the sandbox, and no engine: that of the host is not for tests."""
    security = SecuritySettings(f"{directory}/trust.jws", f"{directory}/identity", exec_enable=True)
    return CommandSettings(
        security,
        f"{directory}/audit",
        f"{directory}/commands",
        sandbox=sandbox or SandboxSettings(),
        containers=ContainerSettings(f"{directory}/engine.sock"),
    )


def file_handlers() -> Handlers:
    """Return the handlers that need nothing but a file system: files, locks, time and random numbers."""
    return {**files.handlers(), **locks.handlers(), **system.handlers()}
