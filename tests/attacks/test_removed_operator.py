"""An operator who was removed while their command was queued: it does not run when its turn comes.

The operator signed the command while the bundle still named them, and it was accepted. The agent and the runner verify
it again before its first effect, by the bundle and the configuration of that moment.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.commands.pipeline.bundles import trusted_directory
from tests.commands.store.stores import Place
from tests.trust.parties import ALICE, BOB, BUNDLE, NODE, ROOT, SID, signed
from warren.clock import wall_seconds
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
from warren.commands.result import Code, Result, Status
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
from warren.files.lock_file import LockFile
from warren.jws import SigningKey
from warren.privsep.io.runner import Runner
from warren.privsep.runner_protocol import Execute, Message, ResultMessage
from warren.ratelimit import RateLimit
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_verify import sign_bundle
from warren.trust.identity import PinnedNode
from warren.trust.io.bundle_file import install_bundle
from warren.trust.principals import Approval
from warren.trust.sealing import SecretScope

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]
VERB = "create_panel_user"
Submit = Callable[[str], Coroutine[Any, Any, Result]]


@dataclass
class Node:
    """One process of a node that runs a command at a time, with its bundle on the disk and a panel's file."""

    directory: Path
    bundle: TrustBundle
    submit: Submit
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


def runner_of(settings: CommandSettings, store: CommandStore, group: asyncio.TaskGroup) -> tuple[Submit, Any]:
    """The runner itself, as its process builds it."""
    answers: dict[int, asyncio.Future[Result]] = {}

    def send(message: Message) -> None:
        if isinstance(message, ResultMessage):
            answers[message.number].set_result(message.result)

    runner = Runner(settings, PinnedNode(NODE.agent_id, NODE.sealing), store, send, group)
    return lambda text: answer_of(runner.perform, answers, text), runner.close


def agent_of(
    settings: CommandSettings, store: CommandStore, group: asyncio.TaskGroup, switch: ExecSwitch, levels: list[str]
) -> tuple[Submit, Any]:
    """The pipeline of an agent that has no runner, as the agent builds it."""

    async def hash_password(effect: HashPassword, execution: Execution) -> object:
        levels.append(execution.command.min_level)
        return await own[HashPassword](effect, execution)

    bundles = BundleCache(settings.security)
    own = handlers(Resources(settings, store, lambda *_: None), privileged=True)
    executor = Executor(
        NODE.agent_id, settings, {**own, HashPassword: hash_password}, unsealer(NODE.sealing), bundles.sealing_key
    )
    pipeline = CommandPipeline(
        NODE.agent_id,
        verify=Verifier(NODE.agent_id, bundles, switch.is_enabled).verify,
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
async def opened(process: str) -> AsyncIterator[Node]:
    now = int(wall_seconds())
    operators = {name: replace(operator, roles=("ADMIN",)) for name, operator in BUNDLE.operators.items()}
    bundle = replace(BUNDLE, issued=now, expires=now + 86_400, operators=operators, dispatch=BUNDLE.dispatch[:1])
    bundle = replace(bundle, levels={})
    with trusted_directory() as directory:
        (directory / "htpasswd").touch()
        install(directory, bundle)
        settings, switch, levels = settings_of(directory), ExecSwitch(True), list[str]()
        async with Place(directory / "store", now=wall_seconds).begin().opened() as store, asyncio.TaskGroup() as group:
            if process == "runner":
                submit, close = runner_of(settings, store, group)
            else:
                submit, close = agent_of(settings, store, group, switch, levels)
            yield Node(directory, bundle, submit, switch, levels)
            await close()


def scope(corr_id: str, operator: str) -> SecretScope:
    return SecretScope(BUNDLE.cluster, NODE.agent_id, VERB, operator, corr_id)


def command(corr_id: str, user: str, operator: str, key: SigningKey) -> str:
    """A command that makes a panel user."""
    now = int(wall_seconds())
    args = seal_members(
        {"username": user, "password": "correct-horse"},
        {"password"},
        NODE.sealing.public,
        scope(corr_id, operator),
        ARGUMENT,
    )
    actor, targets = Actor(operator, "ADMIN"), (NODE.agent_id,)
    envelope = CommandEnvelope(VERB, args, actor, BUNDLE.policy_id, targets, BUNDLE.cluster, corr_id)
    intent = sign_intent(envelope, key, iat=now, exp=now + 300)
    return signed(replace(envelope, intent=intent), sending=Delivery("local", SID, now))


async def until_accepted(log: pytest.LogCaptureFixture, corr_id: str) -> None:
    def is_accepted(record: logging.LogRecord) -> bool:
        return record.message == "command.accepted" and getattr(record, "corr_id", "") == corr_id

    async with asyncio.timeout(60):
        while not any(map(is_accepted, log.records)):  # noqa: ASYNC110, the runner's pipeline tells nobody else
            await asyncio.sleep(0.005)


async def run_queued(
    node: Node, log: pytest.LogCaptureFixture, change: Callable[[Node], None], running: str = "bob"
) -> tuple[Result, Result]:
    """Queue alice's command behind one that runs, change the node, and let both come to their end."""
    with LockFile.open(node.directory / "htpasswd.lock", trust=None) as lock:
        assert lock.acquire()
        first = asyncio.create_task(node.submit(command("c-first", "first", running, BOB)))
        await until_accepted(log, "c-first")
        second = asyncio.create_task(node.submit(command("c-second", "second", "alice", ALICE)))
        await until_accepted(log, "c-second")
        change(node)
    return await first, await second


def without_alice(node: Node) -> None:
    node.install(operators={"bob": node.bundle.operators["bob"]})


def without_role(node: Node) -> None:
    operators = node.bundle.operators
    node.install(operators={**operators, "alice": replace(operators["alice"], roles=("VIEWER",))})


def removed_bundle(node: Node) -> None:
    (node.directory / "trust.jws").unlink()


CHANGES: Mapping[str, tuple[Callable[[Node], None], Code]] = {
    "the operator is removed": (without_alice, Code.INVALID_SIGNATURE),
    "the operator loses the role": (without_role, Code.POLICY_DENIED),
    "the role loses the verb": (
        lambda node: node.install(roles={"ADMIN": frozenset({"list_users"}), "VIEWER": frozenset()}),
        Code.POLICY_DENIED,
    ),
    "the operator's key expires": (
        lambda node: node.install(
            operators={name: replace(each, expires=1) for name, each in node.bundle.operators.items()}
        ),
        Code.INVALID_SIGNATURE,
    ),
    "the dispatch key is removed": (lambda node: node.install(dispatch=BUNDLE.dispatch[1:]), Code.INVALID_SIGNATURE),
    "the policy is another": (lambda node: node.install(policy_id="policy-2026-02"), Code.POLICY_DENIED),
    "the bundle has expired": (
        lambda node: node.install(issued=1, expires=2),
        Code.POLICY_DENIED,
    ),
    "the verb needs approvals": (
        lambda node: node.install(approvals={VERB: Approval(1, ("ADMIN",))}),
        Code.APPROVAL_REQUIRED,
    ),
    "the bundle is gone": (removed_bundle, Code.INVALID_SIGNATURE),
}


@pytest.mark.parametrize("process", ["agent", "runner"])
@pytest.mark.parametrize("name", CHANGES)
def test_queued_command_is_denied_after_a_change_of_trust(
    name: str, process: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    change, code = CHANGES[name]

    async def scene() -> None:
        async with opened(process) as node:
            first, second = await run_queued(node, caplog, change)
            assert (first.status, first.error_code) == (Status.SUCCESS, Code.NONE)
            assert (second.status, second.error_code, second.corr_id) == (Status.DENIED, code, "c-second")
            assert node.users.startswith("first:")
            assert "second" not in node.users

    asyncio.run(scene())


def test_queued_command_is_denied_after_the_owner_disabled_commands(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scene() -> None:
        async with opened("agent") as node:
            _, second = await run_queued(node, caplog, lambda node: node.switch.reload(False))
            assert (second.status, second.error_code) == (Status.DENIED, Code.EXEC_DISABLED)
            assert "second" not in node.users

    asyncio.run(scene())


@pytest.mark.parametrize("process", ["agent", "runner"])
def test_queued_command_of_an_operator_who_stays_runs(process: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scene() -> None:
        async with opened(process) as node:
            first, second = await run_queued(node, caplog, Node.install)
            assert (first.status, second.status) == (Status.SUCCESS, Status.SUCCESS)
            assert node.users.count("\n") == 2

    asyncio.run(scene())


def test_queued_command_runs_at_the_level_of_the_newest_bundle(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scene() -> None:
        async with opened("agent") as node:
            await run_queued(node, caplog, lambda node: node.install(levels={VERB: "L3"}))
            assert node.levels == ["L0", "L3"]

    asyncio.run(scene())
