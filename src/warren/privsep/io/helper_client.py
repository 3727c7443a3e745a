"""The agent's end of the socket to its helper."""

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

from warren.errors import HostError
from warren.files.unix_socket import peer_credentials
from warren.privsep.helper_protocol import MAX_BYTES, RecoverDns, Request, encode_request, parse_answer, parse_refusal
from warren.telemetry.conditions import Condition

DESCRIPTOR = struct.Struct("=i")  # one passes at a time (unix(7), SCM_RIGHTS)
GREETING_SECONDS = 30  # the service manager starts an interpreter meanwhile, which takes less than one
ROOT = 0

log = logging.getLogger(__name__)


class HelperClient:
    """Asks one thing at a time; any thread may call any method, and may block."""

    def __init__(self, connection: socket.socket, child: int | None = None) -> None:
        self.child = child
        """Its pid, if it is this process's own."""
        self._connection = connection
        self._lock = threading.Lock()
        self._has_ended = False

    def ask(self, request: Request) -> object:
        """What it answers. Raises the error that it met, or HostError `helper.ended`."""
        octets, descriptors = self._exchange(request)
        _close(descriptors)
        return parse_answer(octets)

    def ask_descriptor(self, request: Request) -> int:
        """The descriptor that it passes, which is the caller's to close. Raises as `ask`."""
        octets, descriptors = self._exchange(request)
        if len(descriptors) == 1:
            return descriptors[0]
        _close(descriptors)
        parse_answer(octets)
        raise HostError("the helper passed no descriptor", code="helper.ended")

    def recovered(self, request: RecoverDns) -> tuple[HostError, ...]:
        """What it could not undo. Raises HostError `helper.ended`."""
        problems = self.ask(request)
        found = [parse_refusal(problem) for problem in problems] if isinstance(problems, list) else []
        return tuple(problem for problem in found if isinstance(problem, HostError))

    def conditions(self) -> tuple[Condition, ...]:
        """That it has ended, once it has."""
        if not self._has_ended:
            return ()
        return (Condition.of_error(_ended(), "helper.ended"),)

    def close(self) -> None:
        """Lets it go; waits for its end if it is this process's own."""
        self._connection.close()
        if self.child is not None:
            os.waitpid(self.child, 0)

    async def watch(self) -> None:
        """Says so when it ends. Cancelled, it only stops looking."""
        if sys.platform == "linux":
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            # Without a mask it tells of the other end's going alone, and leaves answers to whoever asked.
            with select.epoll(1) as poll:
                poll.register(self._connection, 0)
                loop.add_reader(poll.fileno(), ended.set)
                try:
                    await ended.wait()
                finally:
                    loop.remove_reader(poll.fileno())
        self._has_ended = True
        log.error("helper.ended", extra={"hint": _ended().hint})

    def _exchange(self, request: Request) -> tuple[bytes, list[int]]:
        if sys.platform == "linux":
            with self._lock:
                try:
                    self._connection.send(encode_request(request))
                    octets, beside, *_ = self._connection.recvmsg(
                        MAX_BYTES, socket.CMSG_LEN(DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC
                    )
                except OSError as error:
                    raise _ended() from error
            if octets:
                return octets, [number for *_, data in beside for (number,) in DESCRIPTOR.iter_unpack(data)]
        raise _ended()


def connect_helper(path: Path) -> HelperClient | None:
    """The helper that listens at `path`, a unit of its own; None where there is none, or none that is root.

    Raises HostError `helper.denied` or `helper.busy` as it refuses, `helper.ended` where it does not come up.
    """
    connection = _connected(path)
    if connection is None:
        return None
    try:
        _greeted(connection)
    except HostError:
        connection.close()
        raise
    return HelperClient(connection)


def _connected(path: Path) -> socket.socket | None:
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


def _greeted(connection: socket.socket) -> None:
    connection.settimeout(GREETING_SECONDS)
    try:
        greeting = connection.recv(MAX_BYTES)
    except OSError as error:
        raise _not_there() from error
    if not greeting:
        raise _not_there()
    parse_answer(greeting)
    connection.settimeout(None)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _ended() -> HostError:
    problem = "the helper has ended: keys of root's and the host's name servers cannot be changed any more"
    return HostError(problem, code="helper.ended")


def _not_there() -> HostError:
    problem = "the helper does not come up, and what needs root waits for it"
    return HostError(problem, code="helper.ended", hint="its own log says why: journalctl -u '*helper.service'")
