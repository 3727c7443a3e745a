"""The helper as a unit of its own: the same operations, through a Unix socket of sequenced packets.

    service manager or `warren helper` ── listens ── /run/warren/helper.sock
    agent ──────────────────────────────── connects, is greeted or refused, asks until it exits

It serves the service's user alone, as the kernel names the other end (unix(7), SO_PEERCRED), and one agent at a time.
The greeting is a reply as any other. Without an agent and with nothing to undo it exits; the service manager starts it
for the next agent.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.errors import HostError, WarrenError
from warren.files.unix_listener import adopt_socket
from warren.files.unix_socket import SocketKind, peer_credentials
from warren.privsep.io.helper_process import HelperProcess, limit_answers
from warren.privsep.io.helper_state import HelperRules
from warren.privsep.io.service_socket import bind_service_socket
from warren.privsep.operation import encode_answer, encode_error
from warren.ratelimit import LogLimit

IDLE_TIMEOUT_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """The user whom the helper serves, and what it permits."""

    uid: int
    rules: HelperRules


class HelperSocket:
    """Serves one agent of the user `uid` after the other.

    `rules` is read for each, so that root's last change is used; a change of the user takes effect when the helper
    starts again.
    """

    def __init__(
        self,
        listener: socket.socket,
        uid: int,
        rules: Callable[[], ServiceRules],
        idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS,
    ) -> None:
        self._listener = listener
        self._uid = uid
        self._rules = rules
        self._idle_timeout_seconds = idle_timeout_seconds
        self._client: socket.socket | None = None
        self._process: HelperProcess | None = None
        self._log_limit = LogLimit()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Serve until no agent has connected for a while, or SIGTERM or SIGINT; then nothing is left to undo.

        Whatever ends it, also an error of its own, the host has its name servers back.
        """
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(far.fileno())
        try:
            with near, far, self._selector:
                self._selector.register(near, selectors.EVENT_READ)
                self._selector.register(self._listener, selectors.EVENT_READ)
                while near not in (ready := self._wait()) and (ready or self._client or not self._undo()):
                    # An agent that has gone makes room for the one that connects.
                    for source in sorted(ready, key=lambda each: each is self._listener):
                        self._dispatch(source)
                signal.set_wakeup_fd(-1)
        finally:
            self._undo()

    def _wait(self) -> list[object]:
        events = self._selector.select(None if self._client else self._idle_timeout_seconds)
        return [key.fileobj for key, _ in events]

    def _dispatch(self, ready: object) -> None:
        if ready is self._listener:
            with suppress(OSError):  # the client has gone already
                self._admit(self._listener.accept()[0])
        elif self._client is not None and self._process is not None and not self._process.answer(self._client):
            self._disconnect(self._client)

    def _admit(self, connection: socket.socket) -> None:
        """Serve a client, or say why not; the connection stays open only for a client that is served."""
        limit_answers(connection)
        with ExitStack() as refused:
            refused.enter_context(connection)
            try:
                rules = self._rules_for(connection)
                connection.send(encode_answer(None))
            except OSError:
                return  # the client has gone already
            except WarrenError as error:
                if (unlogged := self._log_limit.admit(monotonic_seconds())) is not None:
                    extra = {"code": error.code, "error": str(error), "unlogged": unlogged}
                    log.warning("helper.refused", extra=extra)
                connection.send(encode_error(error))
                return
            except Exception:  # whatever one client meets, the others are served, and the host gets its own back
                log.exception("helper.failed")
                connection.send(encode_error(HostError("the helper failed", code="helper.failed")))
                return
            refused.pop_all()
        self._process, self._client = HelperProcess(rules, log_limit=self._log_limit), connection
        self._selector.register(connection, selectors.EVENT_READ)

    def _rules_for(self, connection: socket.socket) -> HelperRules:
        """Return what is permitted to a client. Nothing is read for a client before it is known to be the service's.

        Raises WarrenError if it may not be served, or not now, or if the configuration is invalid.
        """
        client = peer_credentials(connection)
        _verify_user(client.uid, self._uid)
        if self._client is not None:
            problem = f"the helper already serves pid {peer_credentials(self._client).pid}"
            raise HostError(problem, code="helper.busy")
        if not self._undo():
            raise HostError("changes of the previous agent could not be reverted", code="dns.refused")
        current = self._rules()
        _verify_user(client.uid, current.uid)
        return current.rules

    def _disconnect(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        client.close()
        self._client = None
        self._undo()

    def _undo(self) -> bool:
        """Return whether nothing is left to undo."""
        return self._process is None or self._process.undo()


def _verify_user(uid: int, service: int) -> None:
    if uid != service:
        raise HostError(f"uid {uid} may not use this helper, which serves uid {service}", code="helper.denied")


def bind_helper(path: Path, service: int) -> socket.socket:
    """Listen at `path` for the user `service`. Raises HostError."""
    return bind_service_socket(path, SocketKind.SEQPACKET, "helper", service)


def adopt_helper(descriptor: int) -> socket.socket:
    """Return the socket on which the service manager listens. Raises HostError if it is another one."""
    return adopt_socket(descriptor, SocketKind.SEQPACKET)
