"""An operator who was removed while their command was queued: it does not run when its turn comes.

The operator signed the command while the bundle still named them, and it was accepted. The agent and the runner verify
it again before its first effect, by the bundle and the configuration of that moment.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.commands.pipeline.processes import VERB, Node, command, opened
from tests.trust.parties import ALICE, BOB, BUNDLE
from warren.commands.result import Code, Result, Status
from warren.files.lock_file import LockFile
from warren.trust.principals import Approval

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]


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


@pytest.mark.parametrize("process", ["agent", "runner"])
def test_queued_command_is_denied_after_the_owner_disabled_commands(
    process: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scene() -> None:
        async with opened(process) as node:
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
