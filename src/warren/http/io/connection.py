"""What the servers of local sockets share: how a connection begins, what comes over it, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from socket import SHUT_WR, socket

LINGER_SECONDS = 2
LINGER_OCTETS = 64 << 10  # in one turn
ACCEPT_PAUSE_SECONDS = 1  # after the process has run out of descriptors

log = logging.getLogger(__name__)


async def accept(listener: socket, door: str) -> socket:
    """The next connection. What keeps the system from giving one is logged, with the name of the door."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            accepted, _ = await loop.sock_accept(listener)
        except ConnectionError:
            continue  # it was gone before we came to it
        except OSError as error:
            log.warning("client.not_accepted", extra={"door": door, "reason": error.strerror})
            await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
            continue
        accepted.setblocking(False)
        return accepted


async def receive(connection: socket, at_most: int) -> bytes:
    """What comes next; empty at the end. Others get their turn, and timeouts theirs, however much a client sends."""
    await asyncio.sleep(0)  # what is there already would be received without one
    return await asyncio.get_running_loop().sock_recv(connection, at_most)


async def end(connection: socket) -> None:
    """Says no more, and waits a moment for the client's own end: closed with something unread, a socket gives an error
    for an end. Raises OSError, TimeoutError.
    """
    connection.shutdown(SHUT_WR)
    async with asyncio.timeout(LINGER_SECONDS):
        while await receive(connection, LINGER_OCTETS):
            pass
