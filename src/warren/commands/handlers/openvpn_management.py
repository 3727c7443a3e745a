"""Performs the effects on OpenVPN's management socket.

OpenVPN listens to one client at a time there. So each question is a connection of its own, which ends with the answer,
and questions of this process wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from warren.commands.effects.effect import EffectError
from warren.commands.effects.openvpn import EndVpnSessions, ListVpnSessions, VpnSession
from warren.commands.pipeline.executor import Execution, Handlers
from warren.commands.providers.management import (
    DONE,
    END,
    EVENT,
    REFUSED,
    STATUS,
    encode_kill,
    parse_killed,
    parse_status,
)

T = TypeVar("T")
ANSWER_SECONDS = 10  # it answers in milliseconds, unless another program holds the socket
MAX_LINES = 200_000  # two lines for each client, and more clients than one server can have


class Management:
    """The sockets of this host's OpenVPN servers, by path."""

    def __init__(self) -> None:
        self._turns: dict[str, asyncio.Lock] = {}

    def handlers(self) -> Handlers:
        """Of both effects."""
        return {ListVpnSessions: self._list, EndVpnSessions: self._end}

    async def _list(self, effect: ListVpnSessions, _: Execution) -> tuple[VpnSession, ...]:
        return await self._ask(effect.socket, STATUS, END, parse_status)

    async def _end(self, effect: EndVpnSessions, _: Execution) -> int:
        try:
            question = encode_kill(effect.username)
        except ValueError as error:
            raise EffectError(str(error)) from error
        return await self._ask(effect.socket, question, DONE, lambda lines: parse_killed(lines[-1]))

    async def _ask(self, path: str, question: bytes, last: str, parse: Callable[[list[str]], T]) -> T:
        turn = self._turns.setdefault(path, asyncio.Lock())
        try:
            async with turn, asyncio.timeout(ANSWER_SECONDS), _connected(path) as (reader, writer):
                writer.write(question)
                return parse(await _answer(reader, last))
        except TimeoutError:
            problem = f"OpenVPN did not answer in {ANSWER_SECONDS} seconds; another program may hold its socket"
        except OSError as error:
            problem = error.strerror or str(error)
        except ValueError as error:
            problem = f"OpenVPN did not answer as it should: {error}"
        raise EffectError(f"{path}: {problem}")


@asynccontextmanager
async def _connected(path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    connect = getattr(asyncio, "open_unix_connection", None)
    if connect is None:
        raise OSError("this system has no such sockets")
    reader, writer = await connect(path)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, last: str) -> list[str]:
    """Its lines up to that which begins so or refuses, without events. Raises ValueError where there is none."""
    lines: list[str] = []
    while len(lines) < MAX_LINES:
        octets = await reader.readline()
        if not octets.endswith(b"\n"):
            raise ValueError("the connection ended first")
        line = octets.decode(errors="replace").rstrip("\r\n")
        if line.startswith(EVENT):
            continue
        lines.append(line)
        if line.startswith((last, REFUSED)):
            return lines
    raise ValueError(f"more than {MAX_LINES} lines")
