"""`warren-sandbox` as a child of this process: an order goes in, and when it has ended nothing of the program is left.

It keeps the deadline itself and kills what it runs when this process is gone, so that a program outlives neither an
event loop that hangs nor an agent that was killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sysconfig
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from warren.commands.sandbox import STOP, Outcome, SandboxRequest, encode_request, parse_outcome
from warren.commands.settings import SandboxSettings
from warren.errors import EngineError

PROGRAM = "warren-sandbox"
STDOUT = 1
PATIENCE_SECONDS = 30  # beyond deadline and grace: it ends within milliseconds of them
UNENDING = "it could not be ended: a process of it waits for the kernel"


@cache
def find_sandbox() -> str:
    """The program that was installed with this package, else one on the PATH. Raises EngineError.

    It is found once: who may not read Python's own files any more has it still.
    """
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise EngineError(f"{PROGRAM} is neither in {beside.parent} nor on the PATH", code="sandbox.missing")
    return found


@dataclass(frozen=True, slots=True)
class Streams:
    """What the program reads and who hears what it says."""

    stdin: int
    """A descriptor."""
    stdout: Callable[[bytes], None]
    stderr: Callable[[bytes], None]


async def carry_out(
    order: SandboxRequest, settings: SandboxSettings, streams: Streams, image: int | None = None
) -> Outcome:
    """What became of it. `image` is a descriptor of the program's text.

    Cancelled, it asks the program to end, kills it after the grace, and goes on with the cancellation when nothing is
    left; cancelled once more, it kills at once. Raises EffectError where the sandbox was killed, EngineError.
    """
    with ExitStack() as held:
        child, talk = await _start(held, streams, image)
        talk.say(encode_request(order, settings))
        patience = settings.grace_seconds + PATIENCE_SECONDS
        try:
            await asyncio.wait({child.ended}, timeout=order.deadline_seconds + patience)
        except asyncio.CancelledError:
            await _stop(child, talk, patience)
            raise
        if not child.ended.done():
            await _abandon(child, talk)
        return parse_outcome(talk.lines)


class _Child(asyncio.SubprocessProtocol):
    """The sandbox. It has ended when its process has, and nobody can write to its streams any more."""

    def __init__(self, streams: Streams) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._streams = streams

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        hear = self._streams.stdout if fd == STDOUT else self._streams.stderr
        hear(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, the protocol's
        if not self.ended.done():
            self.ended.set_result(None)


class _Talk(asyncio.Protocol):
    """The control socket."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data

    @property
    def lines(self) -> list[bytes]:
        return bytes(self._heard).splitlines()

    def say(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)

    def close(self) -> None:
        """The sandbox kills what it runs."""
        if self._transport is not None:
            self._transport.abort()


async def _start(held: ExitStack, streams: Streams, image: int | None) -> tuple[_Child, _Talk]:
    """A sandbox that waits for its order: until it has one, all that ends this ends it."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with far:
        held.callback(near.close)
        passed = [far.fileno(), *([] if image is None else [image])]
        transport, child = await loop.subprocess_exec(
            lambda: _Child(streams),
            find_sandbox(),
            *map(str, passed),
            stdin=streams.stdin,
            pass_fds=passed,
            env={},
            cwd="/",
        )
    held.callback(transport.close)
    near.setblocking(False)
    _, talk = await loop.create_connection(_Talk, sock=near)
    held.callback(talk.close)
    return child, talk


async def _stop(child: _Child, talk: _Talk, patience: float) -> None:
    talk.say(STOP)
    try:
        await asyncio.wait({child.ended}, timeout=patience)
    finally:
        if not child.ended.done():
            await _abandon(child, talk)


async def _abandon(child: _Child, talk: _Talk) -> None:
    """Ends the conversation, whereupon the sandbox kills; what then remains only the kernel can end."""
    talk.close()
    await asyncio.wait({child.ended}, timeout=PATIENCE_SECONDS)


def open_nothing() -> int:
    """A descriptor to read nothing from."""
    return os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
