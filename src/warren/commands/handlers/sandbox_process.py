"""`warren-sandbox` as a child process: it takes a request, and when it has ended no process of the program is left.

The sandbox enforces the deadline itself, and kills what it runs when this process is gone. So a program outlives
neither a blocked event loop nor a killed agent.
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

from warren.commands.sandbox_protocol import STOP, Outcome, SandboxRequest, encode_request, parse_outcome
from warren.commands.settings import SandboxSettings
from warren.errors import EngineError

PROGRAM = "warren-sandbox"
STDOUT = 1
TIMEOUT_SECONDS = 30  # beyond deadline and grace period: it ends within milliseconds of them


@cache
def find_sandbox() -> str:
    """Return the path of the program that was installed with this package, else of one on the PATH.

    The path is cached: after dropping privileges the process may not be able to read the directory.

    Raises:
        EngineError: `sandbox.missing`.
    """
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    path = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if path is None:
        raise EngineError(f"{PROGRAM} is neither in {beside.parent} nor on the PATH", code="sandbox.missing")
    return path


@dataclass(frozen=True, slots=True)
class Streams:
    """The standard streams of the program."""

    stdin: int
    """A descriptor."""
    on_stdout: Callable[[bytes], None]
    on_stderr: Callable[[bytes], None]


async def run_sandbox(
    request: SandboxRequest, settings: SandboxSettings, streams: Streams, image: int | None = None
) -> Outcome:
    """Run a program and return the outcome. `image` is a descriptor of the program's text.

    A cancellation terminates the program, kills it after the grace period, and is raised when no process is left; a
    second cancellation kills at once.

    Raises:
        EffectError: the sandbox was killed.
        EngineError: there is no sandbox program.
    """
    with ExitStack() as cleanup:
        child, control = await _start(cleanup, streams, image)
        control.send(encode_request(request, settings))
        timeout = settings.grace_seconds + TIMEOUT_SECONDS
        try:
            await asyncio.wait({child.ended}, timeout=request.deadline_seconds + timeout)
        except asyncio.CancelledError:
            await _stop(child, control, timeout)
            raise
        if not child.ended.done():
            await _abandon(child, control)
        return parse_outcome(control.lines)


class _Child(asyncio.SubprocessProtocol):
    """The sandbox process. `ended` is done when it has exited and its streams are closed."""

    def __init__(self, streams: Streams) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._streams = streams

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        feed = self._streams.on_stdout if fd == STDOUT else self._streams.on_stderr
        feed(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, the protocol's
        if not self.ended.done():
            self.ended.set_result(None)


class _Control(asyncio.Protocol):
    """The control socket."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data

    @property
    def lines(self) -> list[bytes]:
        return bytes(self._received).splitlines()

    def send(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)

    def close(self) -> None:
        """Close the connection, upon which the sandbox kills what it runs."""
        if self._transport is not None:
            self._transport.abort()


async def _start(cleanup: ExitStack, streams: Streams, image: int | None) -> tuple[_Child, _Control]:
    """Start a sandbox that waits for its request; until it has one, it ends with its control socket."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with far:
        cleanup.callback(near.close)
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
    cleanup.callback(transport.close)
    near.setblocking(False)
    _, control = await loop.create_connection(_Control, sock=near)
    cleanup.callback(control.close)
    return child, control


async def _stop(child: _Child, control: _Control, seconds: float) -> None:
    control.send(STOP)
    try:
        await asyncio.wait({child.ended}, timeout=seconds)
    finally:
        if not child.ended.done():
            await _abandon(child, control)


async def _abandon(child: _Child, control: _Control) -> None:
    """Close the control socket, upon which the sandbox kills; what remains then is blocked in the kernel."""
    control.close()
    await asyncio.wait({child.ended}, timeout=TIMEOUT_SECONDS)


def open_null() -> int:
    """Return a descriptor of /dev/null, for reading."""
    return os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
