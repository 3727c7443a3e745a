"""The agent's end of the line, and at the other one whatever a runner may be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.commands.commands import command, settings
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.execution import Execution
from warren.commands.result import Code, CommandError, Result, Status
from warren.commands.schema import Schema
from warren.commands.verb import Verb, VerbContext
from warren.errors import HostError
from warren.privsep.io import runner_client
from warren.privsep.io.runner_client import RunnerClient
from warren.privsep.runner_protocol import Execute, ResultMessage, encode_message, parse_message

pytestmark = pytest.mark.integration
MOST_OUTPUT = 1 << 20  # of [sandbox] max_output_bytes
VERB = Verb("stop", "stops", (Schema(),))
Life = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def running() -> Execution:
    return Execution(command("stop"), VERB, VerbContext("gateway-001", "c-1", "alice", settings()), 0.0)


@asynccontextmanager
async def beside(life: Life, absent: int = 0) -> AsyncIterator[RunnerClient]:
    """The client of a runner that lives like that, and comes up when it was asked for so often in vain."""
    near, far = socket.socketpair()
    vain = iter(range(absent))

    def open_runner() -> int:
        if next(vain, None) is not None:
            raise HostError("the previous runner is still exiting", code="host.refused")
        return near.detach()

    client = RunnerClient(open_runner, "sid", 0, lambda *_: None)
    reader, writer = await asyncio.open_connection(sock=far)
    tasks = [asyncio.create_task(client.run()), asyncio.ensure_future(life(reader, writer))]
    try:
        yield client
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        writer.close()


def test_the_longest_output_that_may_be_is_told() -> None:
    async def life(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = parse_message(await reader.readline())
        assert isinstance(asked, Execute)
        result = Result("c-1", "gateway-001", "stop", Status.SUCCESS, Code.NONE, 0, rc=0, stdout="\x01" * MOST_OUTPUT)
        writer.write(encode_message(ResultMessage(asked.number, result)))
        await writer.drain()

    async def scene() -> None:
        async with beside(life) as client, asyncio.timeout(60):
            here = running()
            assert await client.handlers()[RunPrivileged](RunPrivileged(), here) == {}
            assert here.stdout == [b"\x01" * MOST_OUTPUT]

    asyncio.run(scene())


def test_a_command_waits_for_a_runner_that_comes_up_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not given up meanwhile, and then carried out all the same."""
    monkeypatch.setattr(runner_client, "PAUSE_SECONDS", 0.1)

    async def life(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = parse_message(await reader.readline())
        assert isinstance(asked, Execute)
        result = Result("c-1", "gateway-001", "stop", Status.SUCCESS, Code.NONE, 0, data={"stopped": True})
        writer.write(encode_message(ResultMessage(asked.number, result)))

    async def scene() -> None:
        async with beside(life, absent=2) as client, asyncio.timeout(60):
            assert await client.handlers()[RunPrivileged](RunPrivileged(), running()) == {"stopped": True}

    asyncio.run(scene())


def test_without_a_runner_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_client, "PATIENCE_SECONDS", 0.2)

    def absent() -> int:
        raise HostError("the helper has gone", code="helper.ended")

    async def scene() -> None:
        client = RunnerClient(absent, "sid", 0, lambda *_: None)
        task = asyncio.create_task(client.run())
        with pytest.raises(CommandError, match=r"^nothing here has the rights: the helper has gone$") as error:
            await client.handlers()[RunPrivileged](RunPrivileged(), running())
        assert (error.value.code, error.value.status) == (Code.EXEC_FAILED, Status.ERROR)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scene())
