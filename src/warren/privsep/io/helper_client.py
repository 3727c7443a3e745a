"""The agent's end of the connection to its helper."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any, TypeVar

from warren.errors import HostError
from warren.files.unix_socket import peer_credentials
from warren.privsep.operation import MAX_BYTES, Operation, parse_answer
from warren.telemetry.conditions import Condition

DESCRIPTOR = struct.Struct("=i")  # one passes at a time (unix(7), SCM_RIGHTS)
GREETING_TIMEOUT_SECONDS = 30  # the service manager starts an interpreter meanwhile, which takes less than one
ROOT = 0

Request = TypeVar("Request")
Reply = TypeVar("Reply")

log = logging.getLogger(__name__)


class HelperClient:
    """Calls one operation at a time. Any thread may call any method, and may block."""

    def __init__(self, connection: socket.socket, child: int | None = None) -> None:
        self.child = child
        """The pid of the helper, if it is a child of this process."""
        self._connection = connection
        self._lock = threading.Lock()
        self._has_ended = False

    def call(self, operation: Operation[Any, Request, Reply], request: Request) -> Reply:
        """Return the reply of the helper; a descriptor is the caller's to close.

        Raises the error that the helper met, and HostError `helper.ended`.
        """
        octets, descriptors = self._exchange(operation.encode(request))
        if operation.returns_descriptor and len(descriptors) == 1:
            return descriptors[0]  # type: ignore[return-value]  # Reply is int
        for descriptor in descriptors:
            os.close(descriptor)
        answer = parse_answer(octets)
        try:
            return operation.reply.decode(answer)
        except ValueError as error:
            raise HostError("unexpected response of the helper", code="helper.ended") from error

    def conditions(self) -> tuple[Condition, ...]:
        """Return `helper.ended` once the helper has exited."""
        if not self._has_ended:
            return ()
        return (Condition.of_error(_ended(), "helper.ended"),)

    def close(self) -> None:
        """Close the connection, and wait for the exit of a helper that is a child of this process."""
        self._connection.close()
        if self.child is not None:
            os.waitpid(self.child, 0)

    async def watch(self) -> None:
        """Wait for the exit of the helper, and log it. Cancelled, it leaves the helper as it is."""
        if sys.platform == "linux":
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            # Without a mask it reports only that the other end has gone, and leaves answers to whoever asked.
            with select.epoll(1) as poll:
                poll.register(self._connection, 0)
                loop.add_reader(poll.fileno(), ended.set)
                try:
                    await ended.wait()
                finally:
                    loop.remove_reader(poll.fileno())
        self._has_ended = True
        log.error("helper.ended", extra={"hint": _ended().hint})

    def _exchange(self, request: bytes) -> tuple[bytes, list[int]]:
        if sys.platform == "linux":
            with self._lock:
                try:
                    self._connection.send(request)
                    octets, ancillary, *_ = self._connection.recvmsg(
                        MAX_BYTES, socket.CMSG_LEN(DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC
                    )
                except OSError as error:
                    raise _ended() from error
            if octets:
                return octets, [number for *_, data in ancillary for (number,) in DESCRIPTOR.iter_unpack(data)]
        raise _ended()


def connect_helper(path: Path) -> HelperClient | None:
    """Connect to the helper that listens at `path`; return None if there is none, or none that is root's.

    Raises HostError `helper.denied` or `helper.busy` if it refuses, `helper.ended` if it does not start.
    """
    connection = _connect(path)
    if connection is None:
        return None
    try:
        _receive_greeting(connection)
    except HostError:
        connection.close()
        raise
    return HelperClient(connection)


def _connect(path: Path) -> socket.socket | None:
    connection: socket.socket | None = None
    if sys.platform == "linux":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(str(path))
            if peer_credentials(connection).uid != ROOT:
                raise PermissionError
        except OSError:
            connection.close()
            connection = None
    return connection


def _receive_greeting(connection: socket.socket) -> None:
    connection.settimeout(GREETING_TIMEOUT_SECONDS)
    try:
        greeting = connection.recv(MAX_BYTES)
    except OSError as error:
        raise _not_started() from error
    if not greeting:
        raise _not_started()
    parse_answer(greeting)
    connection.settimeout(None)


def _ended() -> HostError:
    problem = "the helper has exited: key files of root and the host's name servers cannot be changed"
    return HostError(problem, code="helper.ended")


def _not_started() -> HostError:
    hint = "see its log: journalctl -u '*helper.service'"
    return HostError("the helper does not start", code="helper.ended", hint=hint)
