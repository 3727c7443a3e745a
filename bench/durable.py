"""Durable executions: a command accepted and finished, its nonce, result and two audit lines on the disk.

No verb runs in between, so it is what single use itself costs; the disk's own fsync stands beside it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from latency import quantile
from warren.audit.event import AuditEvent, Origin
from warren.audit.io.journal import Journal
from warren.clock import wall_seconds
from warren.commands.command import SKEW_SECONDS, Actor, VerifiedCommand
from warren.commands.effects.effect import sha256_hex
from warren.commands.replay import Accepted
from warren.commands.result import Code, Result, Status
from warren.commands.store.command_store import CommandStore, initialize_store
from warren.jws import SigningKey

AT_ONCE = 64
AGENT = "bench"
VERB = "get_system_health"


@dataclass(frozen=True, slots=True)
class Fsync:
    """Of a line of 700 octets that is appended and synced."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Durable:
    """What single use takes."""

    executions_per_second: float
    appends_per_second: float
    """Of audit lines, each told of after it is on the disk."""


def fsync(directory: Path, seconds: float) -> Fsync:
    """Of the disk that `directory` is on, one after another."""
    times: list[float] = []
    path, end = directory / "fsync", time.monotonic() + seconds
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not times or time.monotonic() < end:
        os.write(descriptor, b"x" * 700)
        begun = time.perf_counter()
        os.fsync(descriptor)
        times.append((time.perf_counter() - begun) * 1000)
    os.close(descriptor)
    path.unlink()
    times.sort()
    return Fsync(quantile(times, 0.5), quantile(times, 0.99))


async def durable(directory: Path, seconds: float, at_once: int = AT_ONCE) -> Durable:
    """Each for so long, with so many in flight."""
    # As one that has been there for longer than the minute in which a new one refuses everything.
    initialize_store(directory / "commands", wall_seconds() - 2 * SKEW_SECONDS)
    journal = Journal(directory / "audit", AGENT, SigningKey(secrets.token_bytes(32)))
    store = CommandStore(directory / "commands", Origin(AGENT), journal, rows=10_000_000)
    await store.recover()
    try:
        executions = await _rate(_execute, store, seconds, at_once)
        return Durable(executions, await _rate(_append, store, seconds, at_once))
    finally:
        await store.close()


async def _rate(
    step: Callable[[CommandStore], Awaitable[None]], store: CommandStore, seconds: float, at_once: int
) -> float:
    begun = time.monotonic()

    async def again() -> int:
        done = 0
        while time.monotonic() < begun + seconds:
            await step(store)
            done += 1
        return done

    counts = await asyncio.gather(*(again() for _ in range(at_once)))
    return sum(counts) / (time.monotonic() - begun)


async def _execute(store: CommandStore) -> None:
    command = _command()
    event = _event("command.accepted", command)
    if await store.accept(command, event, read_only=True) != Accepted():
        raise AssertionError(command.corr_id)
    result = Result(command.corr_id, AGENT, VERB, Status.SUCCESS, Code.NONE, command.iat, rc=0, data={"load": 0.5})
    await store.finish(command.corr_id, result, _event("command.finished", command))


async def _append(store: CommandStore) -> None:
    await store.write_event(_event("status.read", _command()))


def _event(event: str, command: VerifiedCommand) -> AuditEvent:
    return AuditEvent(
        event,
        command.iat,
        command.corr_id,
        command.verb,
        actor=command.actor.id,
        kid=command.kid,
        nonce=command.nonce,
        hashes={"args": command.args_sha256},
    )


def _command() -> VerifiedCommand:
    now = int(wall_seconds())
    return VerifiedCommand(
        envelope="",
        kid="dispatch",
        nonce=secrets.token_urlsafe(16),
        corr_id=secrets.token_urlsafe(16),
        verb=VERB,
        args={},
        args_sha256=sha256_hex(VERB.encode()),
        actor=Actor("bench", "ADMIN"),
        policy_id="bench",
        transport="local",
        sid="bench",
        iat=now,
        exp=now + 60,
        cluster="bench",
        agent_id=AGENT,
        intent_iat=None,
    )
