"""The runner as a unit of its own: the same process of root's, through a Unix socket.

    service manager or `warren runner` ── listens ── /run/warren/runner.sock
    agent ──────────────────────────────── connects, and is served until it exits

It serves the service's user alone, as the kernel names the other end (unix(7), SO_PEERCRED), and one agent at a time.
Without an agent it exits; the service manager starts it for the next one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.commands.settings import CommandSettings
from warren.errors import HostError, WarrenError
from warren.files.unix_listener import adopt_socket
from warren.files.unix_socket import SocketKind, peer_credentials
from warren.privsep.io.runner_process import refuse_agent, serve_agent
from warren.privsep.io.service_socket import bind_service_socket
from warren.privsep.runner_protocol import MAX_REQUEST_BYTES
from warren.ratelimit import LogLimit

IDLE_TIMEOUT_SECONDS = 60.0

log = logging.getLogger(__name__)


class RunnerSocket:
    """Serve one agent of the user `service` after the other.

    `read_settings` is called for each, so that root's last change is used. The agent is told the WarrenError that it
    raises. `is_exec_enabled` is called for each command.
    """

    def __init__(
        self,
        listener: socket.socket,
        service: int,
        read_settings: Callable[[], CommandSettings],
        is_exec_enabled: Callable[[], bool],
        idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS,
    ) -> None:
        self._listener = listener
        self._service = service
        self._read_settings = read_settings
        self._is_exec_enabled = is_exec_enabled
        self._idle_timeout_seconds = idle_timeout_seconds
        self._agent: asyncio.Task[None] | None = None
        self._log_limit = LogLimit()
        self._idle_since = monotonic_seconds()

    async def serve(self) -> None:
        """Serve until no agent has connected for a while, or SIGTERM or SIGINT; then no command runs."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        server = await self._listen()
        try:
            while not stopped.is_set() and not self._is_idle():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._idle_timeout_seconds):
                        await stopped.wait()
        finally:
            server.close()
            if self._agent is not None:
                self._agent.cancel()
                await asyncio.wait({self._agent})

    async def _listen(self) -> asyncio.Server:
        if sys.platform != "win32":
            return await asyncio.start_unix_server(self._admit, sock=self._listener, limit=MAX_REQUEST_BYTES)
        raise HostError("there is no runner on this system", code="host.refused")

    def _is_idle(self) -> bool:
        return self._agent is None and monotonic_seconds() - self._idle_since >= self._idle_timeout_seconds

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except Exception:  # a defect in what it does for one agent must not keep it from serving the next
            log.exception("runner.crashed")
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._verify_client(writer.get_extra_info("socket"))
            settings = self._read_settings()
        except WarrenError as error:
            if (unlogged := self._log_limit.admit(monotonic_seconds())) is not None:
                log.warning("runner.refused", extra={"code": error.code, "error": str(error), "unlogged": unlogged})
            await refuse_agent(writer, error)
            return
        self._agent = asyncio.current_task()
        try:
            await serve_agent(settings, reader, writer, self._is_exec_enabled, self._log_limit)
        finally:
            self._agent, self._idle_since = None, monotonic_seconds()

    def _verify_client(self, connection: socket.socket) -> None:
        """Raise HostError unless the client may be served, and now."""
        client = peer_credentials(connection)
        if client.uid != self._service:
            problem = f"uid {client.uid} may not use this runner, which serves uid {self._service}"
            raise HostError(problem, code="runner.denied")
        if self._agent is not None:
            raise HostError("the runner still serves the agent that connected before", code="runner.busy")


def bind_runner(path: Path, service: int) -> socket.socket:
    """Listen at `path` for the user `service`. Raises HostError."""
    return bind_service_socket(path, SocketKind.STREAM, "runner", service)


def adopt_runner(descriptor: int) -> socket.socket:
    """Return the socket on which the service manager listens. Raises HostError if it is another one."""
    return adopt_socket(descriptor, SocketKind.STREAM)
