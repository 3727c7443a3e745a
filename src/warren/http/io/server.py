"""Serve HTTP/1.1 by h11.

A connection is one task: it reads a request, sends the response, and repeats until either side closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from socket import socket
from typing import Protocol

import h11

from warren import clock
from warren.errors import HostError
from warren.files.unix_socket import peer_credentials
from warren.http.connection_table import Capacity, Entry
from warren.http.io.connection import ConnectionTasks, accept, busy, end, receive
from warren.http.io.listeners import HttpListener
from warren.http.message import HttpError, Request, Response
from warren.local_client import Client

HEAD_BYTES = 16 << 10  # the usual limit of browsers and proxies; a token has 43 characters
BODY_BYTES = 64 << 10  # a bootstrap secret has 43 characters
CHUNK_OCTETS = 16 << 10
CONNECTIONS = 64  # per listener: a scraper, a probe and a person are three
ROOT_CONNECTIONS = 4  # of them, on a Unix socket
REQUEST_SECONDS = 30  # from a response to the end of the next request
RESPONSE_SECONDS = 30  # for the client to receive a response
SERVICE_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"
)

log = logging.getLogger(__name__)


class Responder(Protocol):
    """Respond to the requests of one listener."""

    async def respond(self, request: Request) -> Response:
        """Return the response to a request. Raises nothing for what a client sends."""


async def serve(listener: HttpListener, responder: Responder) -> None:
    """Serve a listener until cancelled; then it and its connections are closed.

    Where there are too many connections, the one that has waited longest for a request is closed.
    """
    capacity = Capacity(CONNECTIONS, reserve=ROOT_CONNECTIONS if listener.trusted else 0)
    with closing(listener):
        async with asyncio.TaskGroup() as group:
            connections = ConnectionTasks(capacity, group, f"http client of {listener.name}")
            while True:
                accepted = await accept(listener.socket, listener.name)
                try:
                    peer = _peer_of(accepted, trusted=listener.trusted)
                except (HostError, OSError):  # the client has gone, or the kernel does not know it
                    accepted.close()
                    continue
                if (entry := connections.admit(peer.client.uid if peer.client else peer.address)) is None:
                    _reject_connection(accepted)
                else:
                    connections.start(entry, accepted, _Connection(accepted, responder, peer, entry).run())


def _reject_connection(accepted: socket) -> None:
    with accepted, suppress(OSError):
        accepted.send(SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class _Peer:
    """The other end of a connection: a process of this host, or an address."""

    client: Client | None = None
    address: str = ""


def _peer_of(accepted: socket, *, trusted: bool) -> _Peer:
    """Return the other end of a connection. Raises HostError, OSError."""
    return _Peer(peer_credentials(accepted)) if trusted else _Peer(address=str(accepted.getpeername()[0]))


@dataclass(slots=True)
class _Body:
    octets: bytearray = field(default_factory=bytearray)

    def append(self, octets: bytes) -> None:
        """Append what has been received. Raises HttpError if the body gets too long."""
        self.octets += octets
        if len(self.octets) > BODY_BYTES:
            raise HttpError(413, "http.body", f"the body is longer than {BODY_BYTES} bytes")


class _Connection:
    def __init__(self, accepted: socket, responder: Responder, peer: _Peer, entry: Entry) -> None:
        self._socket = accepted
        self._responder = responder
        self._peer = peer
        self._entry = entry
        self._head_only = False
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Serve the connection until either side closes it or the client takes too long."""
        with self._socket, suppress(OSError, TimeoutError):
            try:
                while await self._exchange():
                    self._h11.start_next_cycle()
                    await asyncio.sleep(0)  # pipelined requests would be served without a turn for other clients
            except h11.LocalProtocolError:  # a defect here must not end the tunnels
                log.exception("http.failed")
            await end(self._socket)

    async def _exchange(self) -> bool:
        """Respond to one request; return whether another may follow."""
        self._head_only = False
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await self._receive()
            if request is None:
                return False
            response = await self._respond(request)
        except HttpError as rejection:
            response = rejection.response
        except h11.RemoteProtocolError as error:
            response = HttpError(error.error_status_hint, "http.malformed", f"malformed HTTP/1.1: {error}").response
        async with asyncio.timeout(RESPONSE_SECONDS):
            await self._send(response)
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    async def _receive(self) -> Request | None:
        """Return a whole request, or None at the end of the connection. Raises HttpError, RemoteProtocolError."""
        request, body = None, _Body()
        while True:
            match await self._next_event():
                case h11.Request() as head:
                    self._head_only = head.method == b"HEAD"
                    request = _request(head, self._peer)
                case h11.Data(data=data):
                    body.append(data)
                case h11.EndOfMessage():
                    return request and replace(request, body=bytes(body.octets))
                case _:
                    return None

    async def _next_event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                await self._send_event(h11.InformationalResponse(status_code=100, headers=[]))
            self._h11.receive_data(await receive(self._socket, CHUNK_OCTETS))
        return event

    async def _respond(self, request: Request) -> Response:
        try:
            with busy(self._entry):
                return await self._responder.respond(request)
        except Exception:  # a handler that fails must not end the tunnels either
            log.exception("http.failed", extra={"method": request.method, "target": request.target})
            return HttpError(500, "http.failed", "internal error; see the agent log").response

    async def _send(self, response: Response) -> None:
        if self._h11.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        await self._send_event(_head(response, is_last=self._h11.their_state is not h11.DONE))
        if not self._head_only:
            await self._send_event(h11.Data(data=response.body))
        await self._send_event(h11.EndOfMessage())

    async def _send_event(self, event: h11.Event) -> None:
        if octets := self._h11.send(event):
            await self._loop.sock_sendall(self._socket, octets)


def _request(head: h11.Request, peer: _Peer) -> Request:
    """Convert a request of h11. Raises HttpError."""
    if head.http_version not in {b"1.0", b"1.1"}:
        raise HttpError(
            505, "http.version", f"unsupported version HTTP/{head.http_version.decode()}; expected HTTP/1.1"
        )
    headers: Mapping[str, str] = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    return Request(
        head.method.decode("ascii"),
        head.target.decode("ascii"),
        headers,
        trusted=peer.client is not None,
        client=peer.client,
        address=peer.address,
    )


def _head(response: Response, *, is_last: bool) -> h11.Response:
    headers = [
        ("Date", datetime.fromtimestamp(clock.wall_seconds(), UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")),
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        *response.headers,
        *([("Connection", "close")] if is_last else []),
    ]
    return h11.Response(status_code=response.status, reason=HTTPStatus(response.status).phrase, headers=headers)
