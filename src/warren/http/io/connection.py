"""Accept, receive and close connections, as every server of local sockets does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Hashable, Iterator
from contextlib import contextmanager
from socket import SHUT_WR, socket

from warren.backoff import BackoffPolicy
from warren.clock import monotonic_seconds
from warren.http.connection_table import Capacity, ConnectionTable, Entry
from warren.ratelimit import LogLimit

LINGER_SECONDS = 2
LINGER_OCTETS = 64 << 10  # in one receive
# As Go's net/http: descriptors that the process has run out of are usually free again within milliseconds.
ACCEPT_BACKOFF = BackoffPolicy.exponential(0.005, 1.0, jitter=0.0)

log = logging.getLogger(__name__)


async def accept(listener: socket, name: str) -> socket:
    """Return the next connection of the listener `name`. A failure to accept one is logged and retried."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        try:
            accepted, _ = await loop.sock_accept(listener)
        except ConnectionError:
            continue  # the client has disconnected before it was accepted
        except OSError as error:
            delay = ACCEPT_BACKOFF.delay_seconds(failures, draw=0.0)
            failures += 1
            log.warning("accept.failed", extra={"listener": name, "error": error.strerror, "retry_seconds": delay})
            await asyncio.sleep(delay)
            continue
        accepted.setblocking(False)
        return accepted


class ConnectionTasks:
    """Run each connection of a listener in a task, as many as its capacity allows."""

    def __init__(self, capacity: Capacity, group: asyncio.TaskGroup, name: str) -> None:
        self._table = ConnectionTable(capacity)
        self._group = group
        self._name = name
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._log_limit = LogLimit()

    def admit(self, source: Hashable) -> Entry | None:
        """Return the entry of a new connection, for which an idle one may be closed; None if it is rejected."""
        entry, closed = self._table.admit(source, monotonic_seconds())
        if closed is not None and (task := self._tasks.get(id(closed))) is not None:
            self._log(logging.INFO, "client.disconnected", source, "idle, and its place is needed")
            task.cancel()
        elif entry is None:
            self._log(logging.WARNING, "client.rejected", source, "the limit of connections is reached")
        return entry

    def _log(self, level: int, event: str, source: Hashable, reason: str) -> None:
        """Log what a client causes, as often as it may fill the log."""
        if (unlogged := self._log_limit.admit(monotonic_seconds())) is not None:
            extra = {"listener": self._name, "for": str(source), "reason": reason, "unlogged": unlogged}
            log.log(level, event, extra=extra)

    def start(self, entry: Entry, accepted: socket, connection: Coroutine[None, None, None]) -> None:
        """Run a connection that was admitted, and close its socket at the end."""
        task = self._group.create_task(connection, name=self._name)
        self._tasks[id(entry)] = task
        task.add_done_callback(lambda _: self._end(entry, accepted))

    def _end(self, entry: Entry, accepted: socket) -> None:
        accepted.close()  # a task that is cancelled before its first step closes nothing
        del self._tasks[id(entry)]
        self._table.remove(entry)


@contextmanager
def busy(entry: Entry) -> Iterator[None]:
    """Keep a connection from being closed for another while it has a request."""
    entry.idle_since = None
    try:
        yield
    finally:
        entry.idle_since = monotonic_seconds()


async def receive(connection: socket, at_most: int) -> bytes:
    """Return what arrives next, empty at the end. However much a client sends, other tasks and timeouts get a turn."""
    await asyncio.sleep(0)  # data that has already arrived would be received without a turn
    return await asyncio.get_running_loop().sock_recv(connection, at_most)


async def end(connection: socket) -> None:
    """Shut a connection down, and wait for a moment until the client has closed it. Raises OSError, TimeoutError.

    A socket that is closed with unread data would send the client a reset in place of an end.
    """
    connection.shutdown(SHUT_WR)
    async with asyncio.timeout(LINGER_SECONDS):
        while await receive(connection, LINGER_OCTETS):
            pass
