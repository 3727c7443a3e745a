"""Accept, receive and close connections, as every server of local sockets does it."""

from __future__ import annotations

import asyncio
import logging
from socket import SHUT_WR, socket

from warren.backoff import BackoffPolicy

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
