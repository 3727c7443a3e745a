"""Serve the control socket: each client is a task that reads requests and sends their responses in order.

1. A client that sends too much or idles too long gets an error and is disconnected; the other clients notice nothing
   (H-41). Where there are too many connections, of one user or in all, the one that has waited longest for a request is
   closed; some are kept for root. One that cannot have a place gets an error.
2. An action that was accepted continues after its client has disconnected.
3. After the response to a `dial` the connection is the stream, which no limit of time ends.
4. A `connect` or `disconnect` that takes long is answered early, with the state that the network is in (H-27).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from socket import SHUT_WR, socket

from warren.clock import wall_seconds
from warren.errors import HostError
from warren.files.unix_listener import Listener
from warren.files.unix_socket import peer_credentials
from warren.http.connection_table import Capacity, Entry
from warren.http.io.connection import ConnectionTasks, accept, busy, end, receive
from warren.local_client import Client
from warren.localapi.framing import MAX_OCTETS, JsonFramer, Malformed, Members
from warren.localapi.io.stream import pump
from warren.localapi.messages import (
    UNKNOWN_ID,
    ErrorType,
    Failure,
    MalformedRequestError,
    Request,
    Response,
    encode_response,
    failure_of,
    parse_request,
)
from warren.localapi.router import ActionRouter

CHUNK_OCTETS = 16 << 10  # scanned in 30 ms at worst, before other clients get their turn
INTERIM_SECONDS = 0.25  # socat waits for half a second after it has sent all (H-27)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limit what one client, and all clients together, may use (H-41)."""

    octets: int = MAX_OCTETS
    capacity: Capacity = Capacity(32, per_source=8, reserve=4)  # noqa: RUF009, frozen
    idle_seconds: float = 60
    """From a response to the end of the next request, and for a response to be received."""


async def serve(listener: Listener, router: ActionRouter, limits: Limits | None = None) -> None:
    """Serve clients until cancelled; then the socket, its file and all connections are closed."""
    limits = limits or Limits()
    numbers = itertools.count(1)
    with listener:
        async with asyncio.TaskGroup() as group:
            connections = ConnectionTasks(limits.capacity, group, "control client")
            while True:
                accepted = await accept(listener.socket, "control")
                try:
                    client = peer_credentials(accepted)
                except (HostError, OSError) as error:
                    router.count_malformed()
                    _reject_client(accepted, _rejection(error))
                    continue
                if (entry := connections.admit(client.uid)) is None:
                    router.count_malformed()
                    problem = "the limit of connections is reached, and none of them is idle; try again later"
                    _reject_client(accepted, _malformed_response(problem))
                    continue
                connection = _Connection(accepted, router, limits, numbers, group)
                connections.start(entry, accepted, connection.run(client, entry))


def _rejection(error: HostError | OSError) -> Response:
    if isinstance(error, HostError):
        return Response(UNKNOWN_ID, failure_of(error))
    return _malformed_response("the client has disconnected")


def _reject_client(accepted: socket, response: Response) -> None:
    with accepted, suppress(OSError):
        accepted.send(encode_response(response))
        accepted.shutdown(SHUT_WR)
        accepted.recv(CHUNK_OCTETS)  # a close with unread input would reach the client as a reset, not as an end


def _malformed_response(problem: str) -> Response:
    return Response(UNKNOWN_ID, Failure(ErrorType.PARSE, problem))


class _Connection:
    def __init__(
        self, accepted: socket, router: ActionRouter, limits: Limits, numbers: Iterator[int], group: asyncio.TaskGroup
    ) -> None:
        self._socket = accepted
        self._router = router
        self._limits = limits
        self._numbers = numbers
        self._group = group
        self._framer = JsonFramer(limits.octets)
        self._loop = asyncio.get_running_loop()

    async def run(self, client: Client, entry: Entry) -> None:
        """Serve the client until either side disconnects."""
        with self._socket, suppress(OSError, TimeoutError):
            while await self._exchange(client, entry):
                pass
            await end(self._socket)

    async def _exchange(self, client: Client, entry: Entry) -> bool:
        """Respond to the requests that arrive next; return whether more may follow."""
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                frames, ended = await self._receive()
        except TimeoutError:
            problem = f"no request arrived within {self._limits.idle_seconds:g} s"
            frames, ended = [Malformed(problem, is_last=True)], True
        for frame in frames:
            await asyncio.sleep(0)
            with busy(entry):
                response = await self._respond(frame, client)
                if response.descriptor is not None:
                    await self._carry_stream(response, response.descriptor)
                    return False
            await self._send(response)
            ended = ended or (isinstance(frame, Malformed) and frame.is_last)
        return not ended

    async def _carry_stream(self, response: Response, descriptor: int) -> None:
        """Send the response, and then the bytes of the stream both ways until it has ended."""
        with socket(fileno=descriptor) as stream:
            stream.setblocking(False)
            await self._send(response)
            await pump(self._socket, stream)

    async def _receive(self) -> tuple[list[Members | Malformed], bool]:
        """Return the next complete frames, and whether the client has sent its last one."""
        while octets := await receive(self._socket, CHUNK_OCTETS):
            if frames := self._framer.feed(octets):
                return frames, False
        return self._framer.end(), True

    async def _respond(self, frame: Members | Malformed, client: Client) -> Response:
        if isinstance(frame, Malformed):
            self._router.count_malformed()
            return _malformed_response(frame.problem)
        try:
            request = parse_request(frame, self._numbers)
        except MalformedRequestError as error:
            self._router.count_malformed()
            return Response(error.id, failure_of(error))
        return await self._run_action(request, client)

    async def _run_action(self, request: Request, client: Client) -> Response:
        """Run the action in a task that outlives this connection; respond early if it is accepted and takes long."""
        work = self._router.respond(request, client, wall_seconds())
        task = self._group.create_task(work, name=f"control {request.action}")
        while not task.done():
            await asyncio.wait([task], timeout=INTERIM_SECONDS)
            if not task.done() and (interim := self._router.interim_response(request)):
                return interim
        return await task

    async def _send(self, response: Response) -> None:
        async with asyncio.timeout(self._limits.idle_seconds):
            await self._loop.sock_sendall(self._socket, encode_response(response))
