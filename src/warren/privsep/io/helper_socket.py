"""The helper as a unit of its own: the same errands, asked for by a socket of seqpackets.

    service manager or `warren helper` ── listens ── /run/warren/helper.sock
    agent ──────────────────────────────── connects, is greeted or refused, asks until it ends

It serves the service's user alone, as the kernel names the other end (unix(7), SO_PEERCRED), and one agent at a time.
The greeting is an answer as any other. Without an agent and with nothing to undo it ends; the next agent starts it
again.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren.errors import HostError
from warren.files.directory import make_directory
from warren.files.unix_listener import InUseError, adopt_socket, bind_socket, remove_dead_socket
from warren.files.unix_socket import SocketKind, open_socket, peer_credentials
from warren.privsep.helper_protocol import encode_answer, encode_refusal
from warren.privsep.io.helper_process import HelperProcess, Rules

IDLE_SECONDS = 60.0
BACKLOG = 8  # agents that come while another is served are told so at once
SOCKET_UMASK = 0o111  # whoever connects is named by the kernel; a unit's socket may be narrower

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """Whom it serves, and what it keeps to."""

    uid: int
    rules: Rules


class HelperSocket:
    """Serves who connects; `terms` is asked for each, so that what root has written last counts."""

    def __init__(self, listener: socket.socket, terms: Callable[[], Terms], idle_seconds: float = IDLE_SECONDS) -> None:
        self._listener = listener
        self._terms = terms
        self._idle_seconds = idle_seconds
        self._client: socket.socket | None = None
        self._work: HelperProcess | None = None
        self._ready = selectors.DefaultSelector()

    def serve(self) -> None:
        """Until nobody has wanted it for a while, or SIGTERM or SIGINT; then nothing is left to be undone.

        Raises HostError if the terms cannot be told.
        """
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(far.fileno())
        with near, far, self._ready:
            self._ready.register(near, selectors.EVENT_READ)
            self._ready.register(self._listener, selectors.EVENT_READ)
            while near not in (ready := self._wait()) and (ready or self._client or not self._settle()):
                # An agent that has gone makes room for the one that comes.
                for each in sorted(ready, key=lambda one: one is self._listener):
                    self._turn_to(each)
            signal.set_wakeup_fd(-1)
        self._settle()

    def _wait(self) -> list[object]:
        events = self._ready.select(None if self._client else self._idle_seconds)
        return [key.fileobj for key, _ in events]

    def _turn_to(self, ready: object) -> None:
        if ready is self._listener:
            with suppress(OSError):  # it has gone already
                self._admit(self._listener.accept()[0])
        elif self._client is not None and self._work is not None and not self._work.answer(self._client):
            self._dismiss(self._client)

    def _admit(self, connection: socket.socket) -> None:
        try:
            terms = self._terms()
            self._check(connection, terms)
        except HostError as error:
            log.warning("helper.refused", extra={"code": error.code, "error": str(error)})
            with connection:
                connection.send(encode_refusal(error))
            return
        self._work, self._client = HelperProcess(terms.rules), connection
        self._ready.register(connection, selectors.EVENT_READ)
        connection.send(encode_answer(None))

    def _check(self, connection: socket.socket, terms: Terms) -> None:
        """Raises HostError unless it may be served, and now."""
        client = peer_credentials(connection)
        if client.uid != terms.uid:
            problem = f"the user {client.uid} is not the one that this helper is for: {terms.uid}"
            raise HostError(problem, code="helper.denied")
        if self._client is not None:
            raise HostError(
                f"the helper works for pid {peer_credentials(self._client).pid} already", code="helper.busy"
            )
        if not self._settle():
            raise HostError("what the agent before has changed cannot be undone", code="dns.refused")

    def _dismiss(self, client: socket.socket) -> None:
        self._ready.unregister(client)
        client.close()
        self._client = None
        self._settle()

    def _settle(self) -> bool:
        """Whether there is nothing to be undone any more."""
        return self._work is None or self._work.settle()


def bind_helper(path: Path) -> socket.socket:
    """Listens at `path`, where a helper that has ended may have left its socket. Raises HostError."""
    try:
        make_directory(path.parent, 0o755)
        remove_dead_socket(path, SocketKind.SEQPACKET)
        return _bound(path)
    except InUseError:
        problem = f"a helper listens at {path} already"
        raise HostError(problem, code="helper.busy", hint="stop that helper first") from None
    except OSError as error:
        raise HostError(f"cannot listen at {path}: {error.strerror}", code="host.refused", errno=error.errno) from error


def _bound(path: Path) -> socket.socket:
    listener = open_socket(SocketKind.SEQPACKET)
    try:
        bind_socket(listener, path, SOCKET_UMASK)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def adopt_helper(descriptor: int) -> socket.socket:
    """The socket that the service manager listens on. Raises HostError if it is another."""
    return adopt_socket(descriptor, SocketKind.SEQPACKET)
