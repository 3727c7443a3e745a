"""Performs the effects on OpenVPN's management socket.

OpenVPN serves one client at a time there. So each request opens its own connection, which ends with the answer, and
requests of this process wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from warren.commands.effects.effect import EffectError
from warren.commands.effects.openvpn import KillVpnSessions, ListVpnSessions, VpnSession
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.openvpn_protocol import (
    DONE,
    END,
    ERROR,
    EVENT,
    STATUS,
    encode_kill,
    parse_killed,
    parse_status,
)
from warren.commands.handlers.resources import Resources
from warren.reserved_names import OPENVPN_UNNAMED

T = TypeVar("T")
TIMEOUT_SECONDS = 10  # an answer takes milliseconds, unless another program holds the socket
MAX_ANSWER_BYTES = 32 << 20  # 100,000 clients; OpenVPN's process is in reach of the network, and may be another's


def handlers(_: Resources | None = None) -> Handlers:
    """Return the handlers."""
    client = ManagementClient()
    return {ListVpnSessions: client.list_sessions, KillVpnSessions: client.kill_sessions}


class ManagementClient:
    """Sends requests to the management sockets of this host's servers, one at a time to each."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    async def list_sessions(self, effect: ListVpnSessions, _: Execution) -> tuple[VpnSession, ...]:
        """List the connected clients.

        Raises:
            EffectError: the server did not answer.
        """
        return await self._request(effect.socket, STATUS, END, parse_status)

    async def kill_sessions(self, effect: KillVpnSessions, _: Execution) -> int:
        """End the sessions of a user and return how many there were; none can be of OpenVPN's name for the unnamed.

        Raises:
            EffectError: the server did not answer.
        """
        if effect.username == OPENVPN_UNNAMED:
            return 0
        try:
            line = encode_kill(effect.username)
        except ValueError as error:
            raise EffectError(str(error)) from error
        return await self._request(effect.socket, line, DONE, lambda lines: parse_killed(lines[-1]))

    async def _request(self, path: str, line: bytes, last: str, parse: Callable[[list[str]], T]) -> T:
        lock = self._locks.setdefault(path, asyncio.Lock())
        try:
            async with lock, asyncio.timeout(TIMEOUT_SECONDS), _connect(path) as (reader, writer):
                writer.write(line)
                return parse(await _read_answer(reader, last))
        except TimeoutError:
            problem = f"no answer from OpenVPN within {TIMEOUT_SECONDS} s; another program may hold its socket"
        except OSError as error:
            problem = error.strerror or str(error)
        except ValueError as error:
            problem = f"unexpected response from OpenVPN: {error}"
        raise EffectError(f"{path}: {problem}")


@asynccontextmanager
async def _connect(path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    connect = getattr(asyncio, "open_unix_connection", None)
    if connect is None:
        raise OSError("Unix sockets are not supported on this system")
    reader, writer = await connect(path)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader, last: str) -> list[str]:
    """Return the lines up to the one that begins with `last` or reports an error, without events.

    Raises:
        ValueError: there is no such line.
    """
    lines: list[str] = []
    received = 0
    while received <= MAX_ANSWER_BYTES:
        octets = await reader.readline()
        received += len(octets)
        if not octets.endswith(b"\n"):
            raise ValueError("connection closed before the end of the answer")
        line = octets.decode(errors="replace").rstrip("\r\n")
        if line.startswith(EVENT):
            continue
        lines.append(line)
        if line.startswith((last, ERROR)):
            return lines
    raise ValueError(f"longer than {MAX_ANSWER_BYTES} bytes")
