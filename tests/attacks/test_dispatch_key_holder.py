"""Who holds the dispatch key alone can run read-only verbs, at its own rate, and no intent a second time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.attacks.command_node import DAY, CommandNode, intent, read, until
from warren.commands.replay import Accepted, Stored
from warren.commands.result import Code, CommandError
from warren.commands.result_json import acknowledge, decode_result, encode_result
from warren.commands.signing import CommandEnvelope

pytestmark = [pytest.mark.integration, pytest.mark.security]

ANSWER = "user\n" * 30_000


def play(node: CommandNode, scene: Callable[[CommandNode], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with node.opened():
            await scene(node)

    asyncio.run(whole())


async def rejection(node: CommandNode, command: CommandEnvelope) -> Code:
    with pytest.raises(CommandError) as caught:
        await node.deliver(command)
    return caught.value.code


@pytest.mark.parametrize("loss", ["deleted", "damaged", "another state directory"])
def test_lost_record_runs_no_intent_again(tmp_path: Path, loss: str) -> None:
    node, old = CommandNode(tmp_path / "state"), intent()

    async def before(node: CommandNode) -> None:
        assert await node.deliver(old) == Accepted()

    async def after(node: CommandNode) -> None:
        node.let_pass(61)
        assert await rejection(node, old) is Code.EXPIRED_TOKEN
        node.let_pass(2 * DAY)
        assert await rejection(node, old) is Code.EXPIRED_TOKEN
        assert await node.deliver(intent("c-2", signed_at=int(node.wall))) == Accepted()

    play(node, before)
    database = tmp_path / "state" / "commands" / "commands.db"
    if loss == "deleted":
        database.unlink()
    elif loss == "damaged":
        database.write_bytes(b"\xa5" * 8_192)
    else:
        wall, node = node.wall, CommandNode(tmp_path / "other")
        (tmp_path / "other" / "commands" / "commands.db").unlink()
        node.wall = wall
    play(node, after)


def test_answers_of_reads_fill_no_disk_and_leave_room_to_operators(tmp_path: Path) -> None:
    limit = 16 << 20
    node = CommandNode(tmp_path, max_bytes=limit)

    async def scene(node: CommandNode) -> None:
        codes = [await _outcome(node, read(f"r-{number}"), ANSWER) for number in range(100)]
        assert codes[:10] == [Code.NONE] * 10
        assert codes[-1] is Code.STORE_FULL
        assert node.store.full_problem
        assert (tmp_path / "commands" / "commands.db").stat().st_size < limit
        assert await node.deliver(intent(), ANSWER) == Accepted()

    play(node, scene)


def test_full_store_has_room_again_when_its_answers_have_expired(tmp_path: Path) -> None:
    node = CommandNode(tmp_path, max_bytes=16 << 20)

    async def scene(node: CommandNode) -> None:
        assert Code.STORE_FULL in {await _outcome(node, read(f"r-{number}"), ANSWER) for number in range(100)}
        assert node.store.full_problem
        node.let_pass(500)

        async def has_room() -> bool:
            await node.store.moment()
            return node.store.full_problem is None

        await until(has_room)

    play(node, scene)


def test_rejections_and_reads_fill_no_audit_log(tmp_path: Path) -> None:
    node = CommandNode(tmp_path)
    node.retention = type(node.retention)(max_bytes=1 << 14, max_total_bytes=1 << 16)

    async def scene(node: CommandNode) -> None:
        codes = [await _outcome(node, read(f"r-{number}")) for number in range(120)]
        assert codes[0] is Code.NONE
        assert codes[-1] is Code.STORE_FULL
        assert await node.deliver(intent()) == Accepted()

    play(node, scene)


async def _outcome(node: CommandNode, command: CommandEnvelope, output: str = "") -> Code:
    try:
        await node.deliver(command, output)
    except CommandError as error:
        return error.code
    return Code.NONE


def test_answer_of_a_read_is_dropped_when_its_command_has_expired(tmp_path: Path) -> None:
    node = CommandNode(tmp_path)

    async def scene(node: CommandNode) -> None:
        await node.deliver(read("r-1"), ANSWER)
        await node.deliver(intent(), ANSWER)
        node.let_pass(500)

        async def is_gone() -> bool:
            return await node.store.result_of("r-1") is None

        await until(is_gone)
        kept = await node.store.result_of("c-1")
        assert kept
        assert kept.stdout == ANSWER

    play(node, scene)


def test_acknowledged_answer_keeps_outcome_and_hash_alone(tmp_path: Path) -> None:
    node = CommandNode(tmp_path)

    async def scene(node: CommandNode) -> None:
        await node.deliver(intent(), ANSWER)
        whole = await node.store.result_of("c-1")
        assert whole
        assert await node.store.acknowledge("c-1")
        retried = await node.deliver(intent())
        assert retried == Stored(decode_result(acknowledge(encode_result(whole))))
        assert ANSWER not in retried.result.stdout
        assert len(retried.result.problem) < 200

    play(node, scene)
