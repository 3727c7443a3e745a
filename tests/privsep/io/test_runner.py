"""The runner: what it requires beyond the agent."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.commands.pipeline.processes import opened
from tests.trust.parties import ALICE, LIST, SID, signed
from warren.clock import wall_seconds
from warren.commands.result import Code, Status
from warren.commands.signing import CommandEnvelope, Delivery, sign_intent

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]


def envelope(command: CommandEnvelope = LIST) -> str:
    return signed(command, sending=Delivery("local", SID, int(wall_seconds())))


def with_intent() -> CommandEnvelope:
    now = int(wall_seconds())
    intent = sign_intent(LIST, ALICE, iat=now, exp=now + 60)
    return CommandEnvelope(LIST.verb, {}, LIST.actor, LIST.policy_id, LIST.targets, LIST.cluster, LIST.corr_id, intent)


def test_runner_requires_an_intent_for_a_verb_that_only_reads() -> None:
    """A stolen dispatch key alone, in an agent that was taken over, reads nothing as root."""

    async def scene() -> None:
        async with opened("runner") as node:
            refused = await node.submit(envelope())
            assert (refused.status, refused.error_code) == (Status.DENIED, Code.POLICY_DENIED)
            assert refused.problem == "list_users runs as root here and requires an operator's intent"
            assert (await node.submit(envelope(with_intent()))).status == Status.SUCCESS

    asyncio.run(scene())


def test_agent_requires_no_intent_for_a_verb_that_only_reads() -> None:
    async def scene() -> None:
        async with opened("agent") as node:
            assert (await node.submit(envelope())).status == Status.SUCCESS

    asyncio.run(scene())
