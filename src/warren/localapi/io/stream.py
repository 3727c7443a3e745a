"""Carry the bytes of a stream between a client of the control socket and what it has dialled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from socket import SHUT_WR, socket

CHUNK_BYTES = 64 << 10


async def pump(client: socket, remote: socket) -> None:
    """Carry bytes between two non-blocking sockets until both directions have ended; an end is passed on as one.

    A socket that fails ends both directions.
    """
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(client, remote), name="stream from client")
            group.create_task(_carry(remote, client), name="stream to client")
    except* OSError:
        pass


async def _carry(source: socket, sink: socket) -> None:
    loop, buffer = asyncio.get_running_loop(), bytearray(CHUNK_BYTES)
    view = memoryview(buffer)
    while count := await loop.sock_recv_into(source, buffer):
        await loop.sock_sendall(sink, view[:count])
    with suppress(OSError):
        sink.shutdown(SHUT_WR)
