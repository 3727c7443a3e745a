"""One process of a node that executes commands, the agent or the runner, with its bundle and its store on the disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.commands.pipeline.bundles import trusted_directory
from tests.commands.store.stores import Place
from tests.trust.parties import ALICE, BOB, BUNDLE, NODE, NODE_SEALING, ROOT, SID, signed
from warren.clock import read_clocks, wall_seconds
from warren.commands.admission import Admission
from warren.commands.command import Actor
from warren.commands.effects.passwords import HashPassword
from warren.commands.envelope import Ingress
from warren.commands.exec_switch import ExecSwitch
from warren.commands.execution import Execution
from warren.commands.handlers.resources import Resources
from warren.commands.handlers.table import handlers
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.command_pipeline import CommandPipeline
from warren.commands.pipeline.executor import Executor
from warren.commands.pipeline.verifier import Verifier
from warren.commands.registry import VERBS
from warren.commands.result import Result
from warren.commands.sealing import ARGUMENT, seal_members, unsealer
from warren.commands.settings import (
    CommandSettings,
    PanelSettings,
    SandboxSettings,
    SecuritySettings,
    ServiceSettings,
)
from warren.commands.signing import CommandEnvelope, Delivery, sign_intent
from warren.commands.store.command_store import CommandStore
from warren.elapsed_clock import ClockReading
from warren.files.lock_file import LockFile
from warren.jws import SigningKey
from warren.privsep.io.pinned_node import verify_bundle_path
from warren.privsep.io.runner import Runner
from warren.privsep.runner_protocol import Execute, Message, ResultMessage
from warren.ratelimit import RateLimit
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_verify import sign_bundle
from warren.trust.identity import PinnedNode
from warren.trust.io.bundle_file import install_bundle
from warren.trust.sealing import SecretScope

VERB = "create_panel_user"
Submit = Callable[[str], Coroutine[Any, Any, Result]]


@dataclass
class Node:
    """One process of a node that runs a command at a time, with its bundle on the disk and a panel's file."""

    directory: Path
    bundle: TrustBundle
    submit: Submit
    store: CommandStore
    switch: ExecSwitch
    levels: list[str]
    """The minimum sandbox level of each command that ran in the agent."""

    @property
    def users(self) -> str:
        return (self.directory / "htpasswd").read_text()

    def install(self, **changes: Any) -> None:
        install(self.directory, replace(self.bundle, version=self.bundle.version + 1, **changes))


def install(directory: Path, bundle: TrustBundle) -> None:
    install_bundle(directory / "trust.jws", sign_bundle(bundle, ROOT), [ROOT.public.kid])


def settings_of(directory: Path) -> CommandSettings:
    panel = PanelSettings(str(directory / "htpasswd"), bcrypt_cost=4)
    return CommandSettings(
        SecuritySettings(str(directory / "trust.jws"), str(directory), exec_enable=True, root=(ROOT.public.kid,)),
        sandbox=SandboxSettings(max_concurrency=1),
        services=ServiceSettings(panel=panel),
    )


async def answer_of(
    runner: Callable[[Message], Awaitable[None]], answers: dict[int, asyncio.Future[Result]], text: str
) -> Result:
    number = len(answers)
    answers[number] = asyncio.get_running_loop().create_future()
    await runner(Execute(number, text, "local", SID, "agent"))
    return await answers[number]


def runner_of(
    settings: CommandSettings, store: CommandStore, group: asyncio.TaskGroup, switch: ExecSwitch, bundles: BundleCache
) -> tuple[Submit, Any]:
    """The runner itself, as its process builds it."""
    answers: dict[int, asyncio.Future[Result]] = {}

    def send(message: Message) -> None:
        if isinstance(message, ResultMessage):
            answers[message.number].set_result(message.result)

    runner = Runner(settings, PinnedNode(NODE.agent_id, NODE_SEALING), store, send, group, switch.is_enabled, bundles)
    return lambda text: answer_of(runner.perform, answers, text), runner.close


def agent_of(  # noqa: PLR0913, PLR0917, its parts
    settings: CommandSettings,
    store: CommandStore,
    group: asyncio.TaskGroup,
    switch: ExecSwitch,
    bundles: BundleCache,
    levels: list[str],
) -> tuple[Submit, Any]:
    """The pipeline of an agent that has no runner, as the agent builds it."""

    async def hash_password(effect: HashPassword, execution: Execution) -> object:
        levels.append(execution.command.min_level)
        return await own[HashPassword](effect, execution)

    own = handlers(Resources(settings, store, lambda *_: None), privileged=True)
    executor = Executor(
        NODE.agent_id, settings, {**own, HashPassword: hash_password}, unsealer(NODE_SEALING), bundles.sealing_key
    )
    pipeline = CommandPipeline(
        NODE.agent_id,
        verify=Verifier(NODE.agent_id, bundles, switch.is_enabled, store.read_clocks).verify,
        verbs=VERBS,
        part_of=lambda verb: verb.run,
        admission=Admission(RateLimit(1000), RateLimit(1000), 10),
        max_concurrency=1,
        store=store,
        executor=executor,
        group=group,
    )
    return lambda text: pipeline.submit(text, Ingress("local", SID, "uid 0")), pipeline.close


@asynccontextmanager
async def opened(process: str, clocks: Callable[[], ClockReading] = read_clocks) -> AsyncIterator[Node]:
    with trusted_directory() as directory:
        bundle = settle(directory, clocks)
        async with started(process, directory, bundle, clocks) as node:
            yield node


def settle(directory: Path, clocks: Callable[[], ClockReading] = read_clocks) -> TrustBundle:
    """Make the files of a node, and return the bundle that is installed."""
    now = int(clocks().wall)
    operators = {name: replace(operator, roles=("ADMIN",)) for name, operator in BUNDLE.operators.items()}
    bundle = replace(BUNDLE, issued=now, expires=now + 86_400, operators=operators, dispatch=BUNDLE.dispatch[:1])
    bundle = replace(bundle, levels={})
    (directory / "htpasswd").touch()
    install(directory, bundle)
    Place(directory / "store", clocks=clocks).begin()
    return bundle


@asynccontextmanager
async def started(
    process: str, directory: Path, bundle: TrustBundle, clocks: Callable[[], ClockReading] = read_clocks
) -> AsyncIterator[Node]:
    """Start the process, for the first time or again."""
    settings, switch, levels = settings_of(directory), ExecSwitch(True), list[str]()
    bundles = BundleCache(settings.security, verify_bundle_path if process == "runner" else lambda _: None)
    place = Place(directory / "store", clocks=clocks, floor=bundles.time_floor)
    async with place.opened() as store, asyncio.TaskGroup() as group:
        if process == "runner":
            submit, close = runner_of(settings, store, group, switch, bundles)
        else:
            submit, close = agent_of(settings, store, group, switch, bundles, levels)
        yield Node(directory, bundle, submit, store, switch, levels)
        await close()


async def until_accepted(log: pytest.LogCaptureFixture, corr_id: str) -> None:
    def is_accepted(record: logging.LogRecord) -> bool:
        return record.message == "command.accepted" and getattr(record, "corr_id", "") == corr_id

    async with asyncio.timeout(60):
        while not any(map(is_accepted, log.records)):  # noqa: ASYNC110, the runner's pipeline tells nobody else
            await asyncio.sleep(0.005)


async def run_queued(  # noqa: PLR0913, PLR0917, what differs between tests
    node: Node,
    log: pytest.LogCaptureFixture,
    change: Callable[[Node], Awaitable[None] | None],
    running: str = "bob",
    now: int | None = None,
    queued: str | None = None,
) -> tuple[Result, Result]:
    """Queue alice's command behind one that runs, change the node, and let both come to their end."""
    queued = queued or command("c-second", "second", "alice", ALICE, now)
    with LockFile.open(node.directory / "htpasswd.lock", trust=None) as lock:
        assert lock.acquire()
        first = asyncio.create_task(node.submit(command("c-first", "first", running, BOB, now)))
        await until_accepted(log, "c-first")
        second = asyncio.create_task(node.submit(queued))
        await until_accepted(log, "c-second")
        if (changing := change(node)) is not None:
            await changing
    return await first, await second


def scope(corr_id: str, operator: str) -> SecretScope:
    return SecretScope(BUNDLE.cluster, NODE.agent_id, VERB, operator, corr_id)


def command(corr_id: str, user: str, operator: str, key: SigningKey, now: int | None = None) -> str:
    """A command that makes a panel user."""
    now = int(wall_seconds()) if now is None else now
    args = seal_members(
        {"username": user, "password": "correct-horse"},
        {"password"},
        NODE_SEALING.public,
        scope(corr_id, operator),
        ARGUMENT,
    )
    actor, targets = Actor(operator, "ADMIN"), (NODE.agent_id,)
    envelope = CommandEnvelope(VERB, args, actor, BUNDLE.policy_id, targets, BUNDLE.cluster, corr_id)
    intent = sign_intent(envelope, key, iat=now, exp=now + 300)
    return signed(replace(envelope, intent=intent), sending=Delivery("local", SID, now))
