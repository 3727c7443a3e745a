"""An agent that was taken over, at the sockets of its privileged processes."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.privsep.io.runners import runner_settings
from warren.audit.event import Origin
from warren.commands.pipeline.rejection_log import UNAUTHENTICATED_PER_MINUTE
from warren.commands.result import Code, Result
from warren.commands.store.command_store import CommandStore
from warren.privsep.io import runner_process
from warren.privsep.io.pinned_node import read_node
from warren.privsep.io.runner_process import JUNK_PER_MINUTE, AgentConnection
from warren.privsep.runner_protocol import (
    MAX_OCTETS,
    MAX_REQUEST_OCTETS,
    Execute,
    Output,
    Preview,
    Rejection,
    ResultMessage,
    encode_message,
    parse_message,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]
MANY = 10_000
MEBIBYTE = 1 << 20
HONEST = Execute(1, "junk", "local", "sid", "agent")


@asynccontextmanager
async def runner(root: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, AgentConnection]]:
    """Connect an agent to a runner of this process."""
    settings = runner_settings(root)
    identity = read_node(settings)
    store = CommandStore(Path(settings.runner), Origin(identity.agent_id))
    await store.recover()
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near, limit=MAX_OCTETS)
    served = AgentConnection(*await asyncio.open_connection(sock=far, limit=MAX_REQUEST_OCTETS))
    serving = asyncio.create_task(served.serve(settings, identity, store))
    try:
        async with asyncio.timeout(120):
            yield reader, writer, served
            writer.close()
            await serving
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        await store.close()


async def answer(reader: asyncio.StreamReader) -> ResultMessage:
    """Return the next answer."""
    message = parse_message(await reader.readline())
    assert isinstance(message, ResultMessage)
    return message


def test_junk_for_the_runner_is_logged_at_a_limited_rate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    junk = (b"\0\n", b"{}\n", b"[" * 9_000 + b"\n", encode_message(Output("c-1", b"x")), b'{"op":"Shell"}\n')

    async def scene() -> None:
        async with runner(tmp_path) as (reader, writer, _):
            for line in junk * (100 * JUNK_PER_MINUTE // len(junk)):
                writer.write(line)
                await writer.drain()
            writer.write(encode_message(HONEST))
            assert (await answer(reader)).result.error_code == Code.INVALID_SIGNATURE

    with caplog.at_level(logging.INFO, runner_process.log.name):
        asyncio.run(scene())
    logged = [record for record in caplog.records if record.message == "runner.message_rejected"]
    assert 1 <= len(logged) < 2 * JUNK_PER_MINUTE + 20


def test_runner_reads_no_further_while_its_answers_are_not_read(tmp_path: Path) -> None:
    """What it holds for an agent that only writes is bounded."""

    async def scene() -> None:
        async with runner(tmp_path) as (reader, writer, served):
            flood = asyncio.create_task(_write_all(writer, MANY))
            held, before = served._writer.transport, -1
            while (waiting := held.get_write_buffer_size()) != before:  # until nothing moves any more
                before = waiting
                await asyncio.sleep(0.3)
            assert not flood.done(), "it has read everything"
            assert waiting < MEBIBYTE
            numbers = {(await answer(reader)).number for _ in range(MANY)}
            assert numbers == {*range(MANY)}
            await flood

    asyncio.run(scene())


async def _write_all(writer: asyncio.StreamWriter, count: int) -> None:
    for number in range(count):
        writer.write(encode_message(Execute(number, "junk", "local", "sid", "agent")))
        await writer.drain()


def test_line_longer_than_any_request_ends_the_connection(tmp_path: Path) -> None:
    async def scene() -> None:
        async with runner(tmp_path) as (reader, writer, _):
            writer.write(b"x" * (4 * MAX_REQUEST_OCTETS))
            assert await reader.read() == b""

    asyncio.run(scene())


def test_dry_runs_for_the_runner_are_limited_like_commands(tmp_path: Path) -> None:
    async def scene() -> None:
        async with runner(tmp_path) as (reader, writer, _):
            outcomes = []
            for number in range(2 * UNAUTHENTICATED_PER_MINUTE):
                writer.write(encode_message(Execute(number, "junk", "local", "sid", "agent", dry_run=True)))
                message = parse_message(await reader.readline())
                assert isinstance(message, Preview)
                assert isinstance(message.outcome, Rejection)
                outcomes.append(message.outcome.code)
            assert outcomes[0] == Code.INVALID_SIGNATURE
            assert outcomes[-1] == Code.RATE_LIMITED

    asyncio.run(scene())


def test_live_output_that_the_agent_does_not_read_is_dropped(tmp_path: Path) -> None:
    """The result has it all the same."""

    async def scene() -> None:
        async with runner(tmp_path) as (reader, writer, served):
            for _ in range(64):
                served._send(Output("c-1", b"x" * MEBIBYTE))
            assert served._writer.transport.get_write_buffer_size() < 8 * MEBIBYTE
            writer.write(encode_message(HONEST))
            while isinstance(message := parse_message(await reader.readline()), Output):
                pass
            assert isinstance(message, ResultMessage)
            assert isinstance(message.result, Result)

    asyncio.run(scene())
