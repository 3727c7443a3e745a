"""An agent that was taken over, at the sockets of its privileged processes."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.privsep.io.runners import runner_settings
from warren.audit.event import Origin
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.rejection_log import ALL_UNAUTHENTICATED_PER_MINUTE, UNAUTHENTICATED_PER_MINUTE
from warren.commands.result import Code, Result
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore
from warren.privsep.io import helper_process, helper_socket, runner_process, runner_socket
from warren.privsep.io.helper_process import HelperProcess
from warren.privsep.io.helper_socket import HelperSocket
from warren.privsep.io.helper_state import HelperRules
from warren.privsep.io.pinned_node import read_node, verify_bundle_path
from warren.privsep.io.runner_process import AgentConnection
from warren.privsep.io.runner_socket import RunnerSocket, bind_runner
from warren.privsep.runner_protocol import (
    MAX_BYTES,
    MAX_REQUEST_BYTES,
    Execute,
    Output,
    Preview,
    Rejection,
    ResultMessage,
    encode_message,
    parse_message,
)
from warren.ratelimit import LogLimit

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]
MANY = 10_000
MANY_LINES = 40  # of the log: ten a minute, and these tests take less than three
MEBIBYTE = 1 << 20
STRANGER = 4712
HONEST = Execute(1, "junk", "local", "sid", "agent")


@asynccontextmanager
async def runner(root: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, AgentConnection]]:
    """Connect an agent to a runner of this process."""
    settings = runner_settings(root)
    identity, bundles = read_node(settings), BundleCache(settings.security, verify_bundle_path)
    store = CommandStore(Path(settings.runner), Origin(identity.agent_id))
    await store.recover()
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near, limit=MAX_BYTES)
    served = AgentConnection(*await asyncio.open_connection(sock=far, limit=MAX_REQUEST_BYTES), LogLimit())
    serving = asyncio.create_task(served.serve(settings, identity, store, lambda: True, bundles))
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
            for line in junk * (1_000 // len(junk)):
                writer.write(line)
                await writer.drain()
            writer.write(encode_message(HONEST))
            assert (await answer(reader)).result.error_code == Code.INVALID_SIGNATURE

    with caplog.at_level(logging.INFO, runner_process.log.name):
        asyncio.run(scene())
    logged = [record for record in caplog.records if record.message == "runner.message_rejected"]
    assert 1 <= len(logged) < MANY_LINES


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
            writer.write(b"x" * (4 * MAX_REQUEST_BYTES))
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


def test_junk_in_the_name_of_many_senders_is_logged_at_a_limited_rate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The agent names the sender of each envelope, so that a limit for each of them is none."""

    async def scene() -> None:
        async with runner(tmp_path) as (reader, writer, _):
            for number in range(1_000):
                writer.write(encode_message(Execute(number, "junk", "local", "sid", f"uid {number}")))
                await writer.drain()
                await answer(reader)

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    logged = [record for record in caplog.records if record.message == "command.refused"]
    assert 1 <= len(logged) < 3 * ALL_UNAUTHENTICATED_PER_MINUTE


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


def test_agent_that_connects_again_and_again_fills_no_log_of_the_runner(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by junk in each connection, nor by connections that are refused."""
    settings, path = runner_settings(tmp_path), tmp_path / "run/runner.sock"

    async def scene(service: int, count: int) -> None:
        serving = asyncio.create_task(
            RunnerSocket(bind_runner(path, service), service, lambda: settings, lambda: True).serve()
        )
        for _ in range(count):
            reader, writer = await asyncio.open_unix_connection(str(path))
            with suppress(ConnectionError):  # what is refused is closed with its junk unread
                writer.write(b"junk\n" * 20)
                writer.write_eof()
                while await reader.read(65_536):
                    pass
            writer.close()
            await asyncio.sleep(0)
        serving.cancel()
        await asyncio.wait({serving})

    with caplog.at_level(logging.INFO):
        asyncio.run(scene(os.geteuid(), 20))
        path.unlink()
        asyncio.run(scene(STRANGER, 100))
    names = {runner_process.log.name, runner_socket.log.name}
    logged = [record.message for record in caplog.records if record.name in names]
    assert {"runner.message_rejected", "runner.refused"} <= {*logged}
    assert len(logged) < MANY_LINES


def test_defect_for_one_agent_ends_its_connection_and_no_other(tmp_path: Path) -> None:
    """It must not wait for an answer that never comes."""
    settings, path = runner_settings(tmp_path), tmp_path / "run/runner.sock"
    defects = [RuntimeError("defect"), MemoryError(), RecursionError()]

    def read_settings() -> CommandSettings:
        if defects:
            raise defects.pop()
        return settings

    async def scene() -> None:
        serving = asyncio.create_task(
            RunnerSocket(bind_runner(path, os.geteuid()), os.geteuid(), read_settings, lambda: True).serve()
        )
        async with asyncio.timeout(60):
            for _ in range(3):
                reader, writer = await asyncio.open_unix_connection(str(path))
                assert await reader.read() == b""
                writer.close()
            reader, writer = await asyncio.open_unix_connection(str(path), limit=MAX_BYTES)
            writer.write(encode_message(HONEST))
            assert (await answer(reader)).result.error_code == Code.INVALID_SIGNATURE
            writer.close()
        serving.cancel()
        await asyncio.wait({serving})

    asyncio.run(scene())


def helper_rules(root: Path) -> HelperRules:
    return HelperRules((), frozenset((0,)), root / "agent.toml", root / "agent.sock", root / "journal")


def test_junk_for_the_helper_is_logged_at_a_limited_rate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    helper = HelperProcess(helper_rules(tmp_path))
    with near, far, caplog.at_level(logging.INFO):
        for number in range(1_000):
            near.send(b'{"op":"junk","number":%d}' % number)
            assert helper.answer(far)
            assert b"helper.refused" in near.recv(65_536)
    logged = [record for record in caplog.records if record.name == helper_process.log.name]
    assert 1 <= len(logged) < MANY_LINES


def test_clients_that_the_helper_refuses_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Where no unit narrows the socket, any user can connect to it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    helper = HelperSocket(listener, STRANGER, lambda: pytest.fail("it reads nothing for them"))
    with listener, caplog.at_level(logging.INFO):
        for _ in range(1_000):
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with near:
                helper._admit(far)
                assert b"helper.denied" in near.recv(65_536)
    logged = [record for record in caplog.records if record.name == helper_socket.log.name]
    assert 1 <= len(logged) < MANY_LINES
