"""A node that verifies and records commands, with clocks that an attacker sets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.trust.parties import BUNDLE, CONTEXT, DISPATCHER, LIST, NODE, NOW, SID, STOP, VERBS, with_intent
from warren.audit.event import Origin
from warren.audit.io.journal import Journal, Retention
from warren.commands.audit_events import accepted, finished
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Accepted, Verdict
from warren.commands.result import Code, Result, Status
from warren.commands.signing import CommandEnvelope, Delivery, sign_command
from warren.commands.store.command_store import DEFAULT_BYTES, CommandStore
from warren.commands.store.database import open_database
from warren.commands.verify import verify_command
from warren.elapsed_clock import ClockReading

DAY = 86_400


@dataclass
class CommandNode:
    """Everything of a node between a received envelope and the effects of its verb."""

    directory: Path
    max_bytes: int = DEFAULT_BYTES
    retention: Retention = field(default_factory=Retention)
    wall: float = float(NOW)
    boottime: float = 0.0
    numbers: Any = field(default_factory=itertools.count)
    store: CommandStore = field(init=False)

    def __post_init__(self) -> None:
        open_database(self.directory / "commands", lambda: NOW - 3_600).connection.close()

    def clocks(self) -> ClockReading:
        return ClockReading(self.wall, self.boottime, "this boot")

    def let_pass(self, seconds: float) -> None:
        self.wall += seconds
        self.boottime += seconds

    @asynccontextmanager
    async def opened(self) -> Any:
        """With the store of a process that starts now."""
        journal = Journal(self.directory / "audit", NODE.agent_id, NODE.signing, self.retention)
        self.store = CommandStore(
            self.directory / "commands",
            Origin(NODE.agent_id),
            journal,
            max_bytes=self.max_bytes,
            floor=lambda: BUNDLE.issued,
            clocks=self.clocks,
        )
        await self.store.recover()
        try:
            yield self
        finally:
            await self.store.close()

    async def deliver(self, command: CommandEnvelope, output: str = "") -> Verdict:
        """Sign a command by the dispatch key, at the node's own time, and execute it. Raises CommandError."""
        sending = Delivery("local", SID, int(self.wall), nonce=f"nonce-{next(self.numbers):016}")
        context = replace(CONTEXT, now=self.wall)
        verified = verify_command(sign_command(command, DISPATCHER, sending), context)
        verb = VERBS[verified.verb]
        event = accepted(verified, verb, "uid 0", self.wall)
        verdict = await self.store.accept(verified, event, read_only=verb.read_only)
        if verdict == Accepted():
            result = self._result(verified, output)
            await self.store.finish(verified.corr_id, result, finished(verified, verb, result, "uid 0"))
        return verdict

    def _result(self, command: VerifiedCommand, output: str) -> Result:
        return Result(
            command.corr_id, NODE.agent_id, command.verb, Status.SUCCESS, Code.NONE, int(self.wall), stdout=output
        )


def intent(corr_id: str = "c-1", *, signed_at: int = NOW, days: int = 7) -> CommandEnvelope:
    """Return a command with an intent of an operator, whose clock is right."""
    return with_intent(replace(STOP, corr_id=corr_id), iat=signed_at, exp=signed_at + days * DAY)


def read(corr_id: str) -> CommandEnvelope:
    """Return a command that needs no operator, in the name of one."""
    return replace(LIST, corr_id=corr_id)


async def until(condition: Callable[[], Awaitable[bool]], attempts: int = 600) -> None:
    """Wait for what the database's thread does by itself, within seconds."""
    for _ in range(attempts):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")
