"""Durable executions in this process: everything that an agent does with a command.

One execution goes from the envelope's text to the signed result: verify two signatures, admit, store the acceptance
with its audit line, execute, store the result with its line, sign. The floor is the same number of octets, written and
synced as often: once when a command is accepted and once when it is finished.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from failure import BenchError
from fixtures import Orders
from latency import quantile
from warren._core import Netlink
from warren.agent.io.commands.actions import CommandActions
from warren.agent.io.commands.command_service import CommandService, open_command_service
from warren.agent.io.commands.context import AgentContext
from warren.agent.io.exit_nodes import ExitNodes
from warren.agent.io.name_servers import NameServers
from warren.agent.io.network_context import NetworkContext
from warren.agent.io.networks import AgentNetworks, Loaded
from warren.agent.io.probes import Probes
from warren.clock import wall_seconds
from warren.commands.exec_switch import ExecSwitch
from warren.commands.settings import CommandSettings, SandboxSettings, SecuritySettings
from warren.local_client import Client
from warren.localapi.messages import Request
from warren.privsep.io.privileged_ops import direct_privileged_ops
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.nft_exit import ExitForwarding

AT_ONCE = 64
RATE = 10_000_000  # a minute: no bench is held up by it
SIGNED_PER_SECOND = 2_500  # before the clock runs; a contestant that needs more ends early


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds from the call to the signed result, one command after another."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Inside:
    """The commands of a node, opened in `directory`."""

    orders: Orders
    directory: Path
    service: CommandService
    sid: str
    octets: list[int] = field(default_factory=list)
    """Seconds that each execution took."""

    async def rate(self, verb: str, seconds: float, at_once: int = AT_ONCE) -> float:
        """Return executions per second with this many in flight."""
        waiting = iter([self.orders.sign(verb, self.sid) for _ in range(round(SIGNED_PER_SECOND * seconds) + at_once)])
        begun = time.monotonic()
        counts = await asyncio.gather(*(self._again(waiting, begun + seconds) for _ in range(at_once)))
        return sum(counts) / (time.monotonic() - begun)

    async def latencies(self, verb: str, count: int) -> Latencies:
        """Return the seconds that each of this many executions took."""
        times = []
        for envelope in [self.orders.sign(verb, self.sid) for _ in range(count)]:
            begun = time.perf_counter()
            await self.execute(envelope)
            times.append((time.perf_counter() - begun) * 1000)
        times.sort()
        return Latencies(quantile(times, 0.5), quantile(times, 0.99))

    async def execute(self, envelope: str) -> None:
        """Execute one command, which must succeed."""
        answer: Any = await _ask(self.service, "command", envelope=envelope)
        if answer["result"]["status"] != "SUCCESS":
            raise BenchError(f"{answer['result']['error_code']}: {answer['result']['problem']}")
        self.octets.append(len(answer["jws"]))

    def octets_of_one(self) -> int:
        """Return the octets that an execution stores at least: two audit lines and the result."""
        logs = sum(path.stat().st_size for path in (self.directory / "audit").iterdir())
        return (logs + sum(self.octets)) // len(self.octets)

    async def _again(self, waiting: Iterable[str], end: float) -> int:
        done = 0
        for envelope in waiting:
            await self.execute(envelope)
            done += 1
            if time.monotonic() >= end:
                break
        return done


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Inside]:
    """Open the commands of a node until the block ends."""
    orders = Orders()
    orders.settle(directory, os.getuid(), os.getgid())
    settings = CommandSettings(
        security=SecuritySettings(
            trust=str(directory / "identity/trust.jws"),
            identity=str(directory / "identity"),
            exec_enable=True,
            root=(orders.root.public.kid,),
            rate_per_minute=RATE,
            verb_rate_per_minute=RATE,
            single_use_rows=RATE,
        ),
        audit=str(directory / "audit"),
        commands=str(directory / "commands"),
        sandbox=SandboxSettings(max_concurrency=AT_ONCE, queue=2 * AT_ONCE),
    )
    async with asyncio.TaskGroup() as group, open_command_service(settings, _context(directory, group)) as service:
        background = group.create_task(service.run(), name="commands")
        try:
            challenge = await _ask(service, "challenge")
            yield Inside(orders, directory, service, challenge["sid"])
        finally:
            background.cancel()


def _context(directory: Path, group: asyncio.TaskGroup) -> AgentContext:
    """Return what an agent without a network reports about itself."""
    privileged = direct_privileged_ops(None, Resolver(directory), ExitForwarding(directory))
    netlink = Netlink.open()
    exit_nodes = ExitNodes(privileged.exits, netlink, group)
    host = NetworkContext(netlink, Probes(0), NameServers(privileged.resolver), exit_nodes, privileged, group)
    return AgentContext(privileged, group, AgentNetworks((), lambda: Loaded(()), host), ExecSwitch(True))


async def _ask(service: CommandService, action: str, **config: object) -> Any:
    client = Client(os.getuid(), os.getgid(), os.getpid())
    actions = {row.name: row for row in CommandActions(lambda: service.ingress).actions()}
    return await actions[action].run(Request("1", action, config=config or None), client, wall_seconds())


def bare(directory: Path, octets: int, seconds: float, at_once: int = 1) -> float:
    """Return the executions per second that the disk allows, each written and synced twice."""
    path, half = directory / "floor", b"x" * (octets // 2 * at_once)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    done, begun = 0, time.monotonic()
    while not done or time.monotonic() < begun + seconds:
        for _ in ("accepted", "finished"):
            os.write(descriptor, half)
            os.fdatasync(descriptor)
        done += at_once
    elapsed = time.monotonic() - begun
    os.close(descriptor)
    path.unlink()
    return done / elapsed
