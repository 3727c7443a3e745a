"""OpenVPN's management socket where it is not as it should be; a real server in tests/commands/providers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands.commands import settings
from warren.commands.effects.effect import EffectError, do
from warren.commands.effects.openvpn import KillVpnSessions, ListVpnSessions, VpnSession
from warren.commands.handlers import openvpn
from warren.commands.handlers.openvpn_protocol import encode_kill
from warren.commands.pipeline.executor import Executor

pytestmark = pytest.mark.integration

GREETING = b">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\r\n"
HEADER = (
    b"HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tVirtual IPv6 Address\tBytes Received"
    b"\tBytes Sent\tConnected Since (time_t)\tClient ID\r\n"
)
CLIENT = b"CLIENT_LIST\tuser1\t192.0.2.2:1\t10.8.0.2\t\t1\t2\t3\t4\r\n"
EVENT = b">CLIENT:DISCONNECT,4\r\n"
FOUND = (VpnSession(4, "user1", "192.0.2.2:1", ("10.8.0.2",), 3, 1, 2),)
Answer = Callable[[bytes], bytes]


async def asked(path: Path, answer: Answer, *effects: ListVpnSessions | KillVpnSessions) -> list[object]:
    """What comes of effects at once, with a far end that answers a line so, and then ends the connection."""
    connected = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        assert connected == 1, "OpenVPN listens to one at a time"
        writer.write(GREETING)
        writer.write(answer(await reader.readline()))
        await writer.drain()
        await reader.read()  # the asker ends the connection when it has its answer
        connected -= 1
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        executor = Executor("node-1", settings(), openvpn.handlers(), lambda *_: b"", lambda _: None)
        return await asyncio.gather(*(executor.run_internal(lambda _, effect=effect: do(effect)) for effect in effects))  # type: ignore[misc]


def test_events_within_an_answer_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    text = EVENT + HEADER + EVENT + CLIENT + EVENT + b"END\r\n"
    assert asyncio.run(asked(path, lambda _: text, ListVpnSessions(str(path)))) == [FOUND]


def test_requests_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    def answer(line: bytes) -> bytes:
        if line == b"status 3\n":
            return HEADER + CLIENT + b"END\r\n"
        assert line == b"kill user1\n"
        return b"SUCCESS: common name 'user1' found, 1 client(s) killed\r\n"

    effects: list[ListVpnSessions | KillVpnSessions] = [
        ListVpnSessions(str(path)),
        KillVpnSessions(str(path), "user1"),
    ] * 5
    assert asyncio.run(asked(path, answer, *effects)) == [FOUND, 1] * 5


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"ERROR: unknown command, enter 'help' for more options\r\n", "no HEADER of CLIENT_LIST"),
        (b"END\r\n", "no HEADER of CLIENT_LIST"),
        (HEADER + b"CLIENT_LIST\tuser1\r\nEND\r\n", "CLIENT_LIST without a matching HEADER"),
        (b"x" * 100_000 + b"\n", "unexpected response from OpenVPN"),
    ],
)
def test_unexpected_response_is_an_error(tmp_path: Path, said: bytes, problem: str) -> None:
    path = tmp_path / "socket"
    with pytest.raises(EffectError, match=problem):
        asyncio.run(asked(path, lambda _: said, ListVpnSessions(str(path))))


def test_answer_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    """OpenVPN's process is in reach of the network, and the runner is root's."""
    path = tmp_path / "socket"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x" * 60_000 + b"\n")
                await writer.drain()

    async def scene() -> None:
        async with await asyncio.start_unix_server(serve, path):
            executor = Executor("node-1", settings(), openvpn.handlers(), lambda *_: b"", lambda _: None)
            await executor.run_internal(lambda _: do(ListVpnSessions(str(path))))

    with pytest.raises(EffectError, match=f"longer than {openvpn.MAX_ANSWER_BYTES} bytes"):
        asyncio.run(scene())


def test_invalid_username_is_never_sent(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with pytest.raises(EffectError, match="invalid username"):
        asyncio.run(asked(path, lambda _: b"", KillVpnSessions(str(path), "user1\nsignal SIGTERM")))


def test_missing_socket_is_an_error(tmp_path: Path) -> None:
    effect = ListVpnSessions(str(tmp_path / "elsewhere"))
    with pytest.raises(EffectError, match="elsewhere: No such file"):
        asyncio.run(asked(tmp_path / "socket", lambda _: b"", effect))


def test_a_kill_of_the_name_for_unauthenticated_clients_is_never_sent(tmp_path: Path) -> None:
    """`kill UNDEF` would end everybody who is just connecting."""
    path, lines = tmp_path / "socket", list[bytes]()

    def answer(line: bytes) -> bytes:
        lines.append(line)
        return b"SUCCESS: common name 'UNDEF' found, 3 client(s) killed\r\n"

    assert asyncio.run(asked(path, answer, KillVpnSessions(str(path), "UNDEF"))) == [0]
    assert not lines
    with pytest.raises(ValueError, match="not authenticated yet"):
        encode_kill("UNDEF")
