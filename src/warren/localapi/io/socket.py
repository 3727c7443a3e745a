"""The control socket: each client is a task that reads requests and sends their answers, in their order.

A client that sends too much, says nothing for too long or comes when there are many is told so and loses its
connection; the others notice nothing (H-41). An action that was accepted goes on when its client is gone.
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
from warren.http.io.connection import accept, end, receive
from warren.local_client import Client
from warren.localapi.framing import MAX_OCTETS, JsonFramer, Malformed, Members
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
from warren.localapi.router import Handler

CHUNK_OCTETS = 16 << 10  # scanned in some 30 ms at worst, then it is the others' turn
ACCEPTED_SECONDS = 0.25  # socat waits for half a second after it has sent all (H-27)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all of them, may use (H-41)."""

    octets: int = MAX_OCTETS
    clients: int = 32
    idle_seconds: float = 60
    """From an answer to the end of the next request, and for an answer to be taken."""


async def serve(listener: Listener, handler: Handler, limits: Limits | None = None) -> None:
    """Answers clients until cancelled; then the socket and its file are gone, and all connections closed."""
    limits = limits or Limits()
    numbers = itertools.count(1)
    connected: set[asyncio.Task[None]] = set()
    with listener:
        async with asyncio.TaskGroup() as group:
            while True:
                accepted = await accept(listener.socket, "control")
                if len(connected) >= limits.clients:
                    _turn_away(accepted, limits)
                    continue
                connection = _Connection(accepted, handler, limits, numbers, group)
                task = group.create_task(connection.run(), name="control client")
                connected.add(task)
                task.add_done_callback(connected.discard)


def _turn_away(accepted: socket, limits: Limits) -> None:
    log.warning("control.client_refused", extra={"limit": limits.clients})
    with accepted, suppress(OSError):
        accepted.send(encode_response(_refusal(f"there are {limits.clients} clients; expected fewer, try again")))
        accepted.shutdown(SHUT_WR)
        accepted.recv(CHUNK_OCTETS)  # what stays unread would reach the client as an error in the place of an end


def _refusal(problem: str) -> Response:
    return Response(UNKNOWN_ID, Failure(ErrorType.PARSE, problem))


class _Connection:
    def __init__(
        self, accepted: socket, handler: Handler, limits: Limits, numbers: Iterator[int], group: asyncio.TaskGroup
    ) -> None:
        self._socket = accepted
        self._handler = handler
        self._limits = limits
        self._numbers = numbers
        self._group = group
        self._splitter = JsonFramer(limits.octets)
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Until either side ends it."""
        with self._socket, suppress(OSError, TimeoutError):
            try:
                client = peer_credentials(self._socket)
            except HostError as error:
                await self._send(Response(UNKNOWN_ID, failure_of(error)))
            else:
                while await self._exchange(client):
                    pass
            await end(self._socket)

    async def _exchange(self, client: Client) -> bool:
        """Whether more may follow."""
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                frames, ended = await self._receive()
        except TimeoutError:
            problem = f"no request came for {self._limits.idle_seconds:g} s; expected one"
            frames, ended = [Malformed(problem, is_last=True)], True
        for frame in frames:
            await asyncio.sleep(0)
            await self._send(await self._answer(frame, client))
            ended = ended or (isinstance(frame, Malformed) and frame.is_last)
        return not ended

    async def _receive(self) -> tuple[list[Members | Malformed], bool]:
        """What is complete next, and whether the client has sent all that it will."""
        while octets := await receive(self._socket, CHUNK_OCTETS):
            if frames := self._splitter.feed(octets):
                return frames, False
        return self._splitter.end(), True

    async def _answer(self, frame: Members | Malformed, client: Client) -> Response:
        if isinstance(frame, Malformed):
            return _refusal(frame.problem)
        try:
            request = parse_request(frame, self._numbers)
        except MalformedRequestError as error:
            return Response(error.id, failure_of(error))
        return await self._carry_out(request, client)

    async def _carry_out(self, request: Request, client: Client) -> Response:
        work = self._handler.answer(request, client, wall_seconds())
        task = self._group.create_task(work, name=f"control {request.action}")
        while not task.done():
            await asyncio.wait([task], timeout=ACCEPTED_SECONDS)
            if not task.done() and (early := self._handler.answer_on_the_way(request)):
                return early
        return await task

    async def _send(self, response: Response) -> None:
        async with asyncio.timeout(self._limits.idle_seconds):
            await self._loop.sock_sendall(self._socket, encode_response(response))
