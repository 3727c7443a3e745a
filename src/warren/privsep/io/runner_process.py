"""The runner's connection to one agent, and the process of a runner that the helper forks for an agent of root.

Where units run, the runner is a unit of its own: see `runner_socket`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from warren.audit.event import Origin
from warren.clock import monotonic_seconds
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore
from warren.errors import HostError, InputError, WarrenError
from warren.privsep.io.pinned_node import read_node, verify_bundle_path
from warren.privsep.io.runner import Runner
from warren.privsep.runner_protocol import (
    MAX_REQUEST_BYTES,
    STORE_FAILED,
    STORE_RECOVERED,
    ErrorMessage,
    Event,
    Message,
    Output,
    encode_message,
    parse_message,
)
from warren.ratelimit import LogLimit
from warren.trust.identity import PinnedNode

if sys.platform == "linux":
    import resource

NAME = "warren-runner"  # at most 15 octets (prctl(2), PR_SET_NAME)
MAX_FILES = 4_096
MAX_UNREAD_OUTPUT = 1 << 20
"""Live output is dropped while the agent has not read this much: the result has all of it."""

log = logging.getLogger(__name__)


def fork_runner(settings: CommandSettings, is_exec_enabled: Callable[[], bool]) -> tuple[int, int]:
    """Fork a process of root's; return its pid and a descriptor of the connection to it. Raises OSError, HostError."""
    if sys.platform == "linux":
        near, far = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            near.close()
            _run(settings, far, is_exec_enabled)
        far.close()
        return pid, near.detach()
    raise HostError("there is no runner on this system", code="host.refused")


def confine() -> None:
    """Limit this process to the files and the mode of files that providers need."""
    if sys.platform == "linux":
        files, octets = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(MAX_FILES, files), files))
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, octets))
        os.umask(0o077)
        Path("/proc/self/comm").write_text(NAME)


async def serve_agent(
    settings: CommandSettings,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    is_exec_enabled: Callable[[], bool],
    log_limit: LogLimit,
) -> None:
    """Serve an agent until its connection ends; what prevents that is sent to it, and its condition names it.

    Cancelled, end what runs, and store the results.
    """
    connection = AgentConnection(reader, writer, log_limit)
    try:
        identity = read_node(settings)
        security = settings.security
        bundles = BundleCache(security, verify_bundle_path)
        store = CommandStore(
            Path(settings.runner),
            Origin(identity.agent_id),
            rows=security.single_use_rows,
            max_bytes=security.store_max_mb << 20,
            floor=bundles.time_floor,
            on_failure=connection.report_store,
        )
        await store.recover()
    except WarrenError as error:
        log.error("runner.refused", extra={"code": error.code, "error": str(error)})  # noqa: TRY400, no traceback
        await refuse_agent(writer, error)
        return
    try:
        await connection.serve(settings, identity, store, is_exec_enabled, bundles)
    finally:
        await store.close()


async def refuse_agent(writer: asyncio.StreamWriter, error: WarrenError) -> None:
    """Tell an agent why it is not served, and close the connection."""
    writer.write(encode_message(ErrorMessage(error)))
    with suppress(ConnectionError):
        await writer.drain()
    writer.close()


class AgentConnection:
    """The messages of one agent. It reads no further request while the agent does not read the answers.

    `log_limit` is that of the process: an agent that was taken over can connect as often as it likes.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log_limit: LogLimit) -> None:
        self._reader = reader
        self._writer = writer
        self._log_limit = log_limit

    async def serve(
        self,
        settings: CommandSettings,
        identity: PinnedNode,
        store: CommandStore,
        is_exec_enabled: Callable[[], bool],
        bundles: BundleCache,
    ) -> None:
        """Perform what the agent requests, until it has gone; then close the connection."""
        try:
            async with asyncio.TaskGroup() as group:
                runner = Runner(settings, identity, store, self._send, group, is_exec_enabled, bundles)
                periodic = group.create_task(runner.run_periodic(), name="periodic tasks")
                try:
                    await self._receive(runner)
                finally:
                    periodic.cancel()
                    await runner.close()
        finally:
            self._writer.close()

    def report_store(self, error: HostError | None) -> None:
        """Tell the agent, which shows it as a condition, that the store cannot be written, or can be again."""
        self._send(Event(STORE_RECOVERED, {}) if error is None else Event(STORE_FAILED, {"error": str(error)}))

    async def _receive(self, runner: Runner) -> None:
        while line := await self._read_line():
            try:
                message = parse_message(line)
                await runner.perform(message)
            except InputError as error:
                self._log_problem("runner.message_rejected", error)
            with suppress(ConnectionError):  # the next read tells that it has gone
                await self._writer.drain()

    async def _read_line(self) -> bytes:
        """Return a line; none if the agent has gone, or sends one that is longer than any request."""
        try:
            return await self._reader.readline()
        except (ValueError, ConnectionError) as error:
            self._log_problem("runner.disconnected", error)
            return b""

    def _log_problem(self, event: str, error: Exception) -> None:
        if (unlogged := self._log_limit.admit(monotonic_seconds())) is not None:
            log.warning(event, extra={"problem": str(error), "unlogged": unlogged})

    def _send(self, message: Message) -> None:
        is_behind = self._writer.transport.get_write_buffer_size() > MAX_UNREAD_OUTPUT
        if not (isinstance(message, Output) and is_behind):
            self._writer.write(encode_message(message))


def _run(settings: CommandSettings, connection: socket.socket, is_exec_enabled: Callable[[], bool]) -> None:
    """Run the whole life of the child: nothing of its parent's runs in it."""
    status = 1
    try:
        _detach(connection.fileno())
        confine()
        asyncio.run(_serve_forked(settings, connection, is_exec_enabled))
        status = 0
    except BaseException:
        log.critical("runner.crashed", exc_info=True)
    finally:
        os._exit(status)


async def _serve_forked(
    settings: CommandSettings, connection: socket.socket, is_exec_enabled: Callable[[], bool]
) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=MAX_REQUEST_BYTES)
    await serve_agent(settings, reader, writer, is_exec_enabled, LogLimit())


def _detach(kept: int) -> None:
    """Exit with the connection and with no signal before; close every other descriptor."""
    if sys.platform == "linux":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(3, kept)
        os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
