"""Who controls the wall clock ends access for a while, and neither deletes, revokes nor repeats anything.

VPN users: `tests/commands/providers/test_vpn_revocation.py`. Weeks of clocks: `tests/commands/store/test_clocks.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attacks.command_node import DAY, CommandNode, intent, read, until
from tests.commands.pipeline.processes import command, opened
from tests.trust.parties import ALICE
from warren.audit.event import AuditEvent
from warren.audit.io.journal import Retention
from warren.clock import read_clocks
from warren.commands.replay import Accepted, Stored
from warren.commands.result import Code, Status

pytestmark = [pytest.mark.integration, pytest.mark.security]

SMALL = Retention(max_bytes=1_000)


def play(node: CommandNode, scene: Callable[[CommandNode], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with node.opened():
            await scene(node)

    asyncio.run(whole())


async def sweep(node: CommandNode) -> None:
    """Let a sweep and a checkpoint pass: a record that is over by both clocks goes with them."""
    deadline = await node.store.moment()
    await node.store.put_record("probe", "probe", {}, deadline.after(1))
    node.let_pass(90)

    async def is_swept() -> bool:
        count = "SELECT COUNT(*) FROM record WHERE kind = 'probe'"
        rows = await node.store._do(lambda: node.store._table.connection.execute(count).fetchone())
        return bool(rows[0] == 0)

    await until(is_swept)


def test_clock_ahead_for_a_minute_repeats_no_intent(tmp_path: Path) -> None:
    async def scene(node: CommandNode) -> None:
        assert await node.deliver(intent()) == Accepted()
        node.wall += 31 * DAY
        await sweep(node)
        node.wall -= 31 * DAY
        await sweep(node)
        assert isinstance(await node.deliver(intent()), Stored)

    play(CommandNode(tmp_path), scene)


def test_clock_ahead_deletes_no_segment_of_the_audit_log(tmp_path: Path) -> None:
    node = CommandNode(tmp_path, retention=SMALL)

    def segments() -> set[str]:
        return {path.name for path in (tmp_path / "audit").glob("audit-0*.jsonl")}

    async def fill(node: CommandNode) -> None:
        for number in range(4):
            await node.deliver(read(f"r-{number}"))
        await sweep(node)

    async def ahead(node: CommandNode) -> None:
        node.wall += 60 * DAY
        await node.store.write_event(_event(node))
        await sweep(node)

    async def later(node: CommandNode) -> None:
        node.let_pass(31 * DAY)
        await node.store.write_event(_event(node))
        await sweep(node)
        await until(_are_gone)

    async def _are_gone() -> bool:
        return not before & segments()

    play(node, fill)
    before = segments()
    assert before
    for name in before:
        os.utime(tmp_path / "audit" / name, (node.wall, node.wall))
    play(node, ahead)
    assert before <= segments()
    play(node, later)


def _event(node: CommandNode) -> AuditEvent:
    return AuditEvent("status.read", int(node.wall))


@pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root")
@pytest.mark.parametrize("process", ["agent", "runner"])
@pytest.mark.parametrize("back_days", [3, 20_000])
def test_clock_set_back_makes_no_bundle_key_or_intent_valid_again(process: str, back_days: int) -> None:
    """The dispatch key has held an intent until it expired, with the bundle that it was signed under."""
    clocks = read_clocks()

    async def scene() -> None:
        nonlocal clocks
        async with opened(process, lambda: clocks) as node:
            signed = int(clocks.wall)
            assert (await node.submit(command("c-1", "first", "alice", ALICE, signed))).status is Status.SUCCESS
            held = command("c-2", "second", "alice", ALICE, signed)
            clocks = replace(clocks, wall=clocks.wall + 3 * DAY, boottime=clocks.boottime + 3 * DAY)
            assert (await node.submit(held)).error_code is Code.EXPIRED_TOKEN
            clocks = replace(clocks, wall=clocks.wall - back_days * DAY)
            assert (await node.submit(held)).error_code is Code.EXPIRED_TOKEN
            fresh = command("c-3", "third", "alice", ALICE, int(clocks.wall))
            assert (await node.submit(fresh)).error_code is Code.EXPIRED_TOKEN
            late = command("c-4", "fourth", "alice", ALICE, signed + 2 * DAY)  # at the time floor
            assert (await node.submit(late)).error_code is Code.POLICY_DENIED, "the bundle has expired"
            assert node.users.count("\n") == 1

    asyncio.run(scene())


def test_clock_ahead_for_an_hour_raises_no_time_floor(tmp_path: Path) -> None:
    """Commands would be refused from then on, with a right clock."""

    async def scene(node: CommandNode) -> None:
        right = node.wall
        node.wall += 400 * DAY
        node.let_pass(3_600)
        assert node.store.read_clocks().wall == node.wall
        node.wall = right + 3_600
        assert node.store.read_clocks().wall == node.wall
        assert node.store.behind_problem is None

    play(CommandNode(tmp_path), scene)


def test_clock_set_back_prolongs_no_record(tmp_path: Path) -> None:
    """A bootstrap token or session is one."""

    async def scene(node: CommandNode) -> None:
        deadline = (await node.store.moment()).after(60)
        await node.store.put_record("bootstrap", "hash", {}, deadline)
        node.wall -= DAY
        node.boottime += 59
        assert await node.store.get_record("bootstrap", "hash") == {}
        node.boottime += 2
        assert await node.store.get_record("bootstrap", "hash") is None

    play(CommandNode(tmp_path), scene)


def test_clock_set_ahead_suspends_a_record_until_it_is_corrected(tmp_path: Path) -> None:
    async def scene(node: CommandNode) -> None:
        deadline = (await node.store.moment()).after(3_600)
        await node.store.put_record("bootstrap", "hash", {}, deadline)
        node.wall += DAY
        assert await node.store.get_record("bootstrap", "hash") is None
        await sweep(node)
        node.wall -= DAY
        assert await node.store.get_record("bootstrap", "hash") == {}

    play(CommandNode(tmp_path), scene)
