"""The process of a runner, which the helper forks: it lives as long as its connection to the agent."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from warren.audit.event import Origin
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore
from warren.errors import HostError, WarrenError
from warren.privsep.io.pinned_node import read_node, verify_bundle_path
from warren.privsep.io.runner import Runner
from warren.privsep.runner_protocol import MAX_OCTETS, ErrorMessage, encode_message, parse_message
from warren.trust.identity import PinnedNode

if sys.platform == "linux":
    import resource

NAME = "warren-runner"  # at most 15 octets (prctl(2), PR_SET_NAME)
MAX_FILES = 4_096

log = logging.getLogger(__name__)


def fork_runner(settings: CommandSettings) -> tuple[int, int]:
    """Fork a process of root's; return its pid and a descriptor of the connection to it. Raises OSError, HostError."""
    if sys.platform == "linux":
        near, far = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            near.close()
            _run(settings, far)
        far.close()
        return pid, near.detach()
    raise HostError("there is no runner on this system", code="host.refused")


def _run(settings: CommandSettings, connection: socket.socket) -> None:
    """Run the whole life of the child: nothing of its parent's runs in it."""
    status = 1
    try:
        _confine(connection.fileno())
        asyncio.run(_serve(settings, connection))
        status = 0
    except BaseException:
        log.critical("runner.crashed", exc_info=True)
    finally:
        os._exit(status)


def _confine(kept: int) -> None:
    """Exit with the connection and with no signal before; open and write as much as providers need."""
    if sys.platform == "linux":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(3, kept)
        os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        files, octets = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(MAX_FILES, files), files))
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, octets))
        os.umask(0o077)
        Path("/proc/self/comm").write_text(NAME)


async def _serve(settings: CommandSettings, connection: socket.socket) -> None:
    """Serve until the connection ends; what prevents that is sent to the agent, whose condition names it."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=MAX_OCTETS)
    try:
        identity = read_node(settings)
        security = settings.security
        store = CommandStore(
            Path(settings.runner),
            Origin(identity.agent_id),
            rows=security.single_use_rows,
            max_bytes=security.store_max_mb << 20,
            floor=BundleCache(security, verify_bundle_path).time_floor,
        )
        await store.recover()
    except WarrenError as error:
        log.error("runner.refused", extra={"code": error.code, "error": str(error)})  # noqa: TRY400, no traceback
        writer.write(encode_message(ErrorMessage(error)))
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()
        return
    await _serve_agent(settings, identity, store, reader, writer)


async def _serve_agent(
    settings: CommandSettings,
    identity: PinnedNode,
    store: CommandStore,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            runner = Runner(settings, identity, store, lambda message: writer.write(encode_message(message)), group)
            periodic = group.create_task(runner.run_periodic(), name="periodic tasks")
            while line := await reader.readline():
                runner.perform(parse_message(line))
            periodic.cancel()
            await runner.close()
    finally:
        await store.close()
