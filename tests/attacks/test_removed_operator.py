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
from typing import Any

import pytest

from tests.commands.pipeline.processes import VERB, Node, opened, run_queued
from tests.trust.parties import BUNDLE, DISPATCHER, THIEF
from warren.commands.result import Code, Status
from warren.trust.principals import Approval, KeyEntry

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]


LATER = 4_102_444_800  # 2100-01-01


def without_alice(node: Node) -> None:
    node.install(operators={"bob": node.bundle.operators["bob"]})


def with_alice(node: Node, **changes: Any) -> None:
    operators = node.bundle.operators
    node.install(operators={**operators, "alice": replace(operators["alice"], **changes)})


def without_role(node: Node) -> None:
    with_alice(node, roles=("VIEWER",))


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
    "the operator has another key": (lambda node: with_alice(node, signing=THIEF.public), Code.INVALID_SIGNATURE),
    "the operator's key is not valid yet": (lambda node: with_alice(node, not_before=LATER), Code.INVALID_SIGNATURE),
    "the dispatch key expires": (
        lambda node: node.install(dispatch=(KeyEntry(DISPATCHER.public, expires=1),)),
        Code.INVALID_SIGNATURE,
    ),
    "the dispatch key is another": (
        lambda node: node.install(dispatch=(KeyEntry(THIEF.public),)),
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
