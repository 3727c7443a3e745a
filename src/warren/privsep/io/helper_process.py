"""The process of the helper: it stays root when the agent drops privileges, and performs the operations of its table.

An agent that root started forks it before the agent has a thread, a key or a socket of the network, and the helper has
none of these itself. It exits when the agent does, however that happens, and then gives the host its own name servers
back. `helper_socket` has the helper that is a unit of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.errors import HostError, InputError, WarrenError, redact
from warren.privsep.io.helper_client import HelperClient
from warren.privsep.io.helper_state import HelperRules, HelperState
from warren.privsep.io.operations.table import FORKED_HELPER_OPERATIONS, HELPER_OPERATIONS
from warren.privsep.operation import MAX_BYTES, Operations, encode_answer, encode_error, parse_request
from warren.ratelimit import LogLimit

if sys.platform == "linux":
    import resource

MAX_FILES = 64  # descriptors: it needs a dozen, and the programs that it runs no more
MAX_FILE_BYTES = 1 << 20  # none of the files that it writes has a hundredth of this
MAX_LOGGED_BYTES = 400
ANSWER_TIMEOUT_SECONDS = 5  # an agent that waits for an answer reads it at once
TIMEVAL = struct.Struct("@ll")  # struct timeval (socket(7), SO_SNDTIMEO)
NAME = "warren-helper"  # at most 15 octets (prctl(2), PR_SET_NAME)

log = logging.getLogger(__name__)


def start_helper(rules: HelperRules) -> HelperClient:
    """Fork the helper. Call it as root, before the first thread. Raises OSError and HostError."""
    if sys.platform == "linux":
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            near.close()
            _run(rules, far)
        far.close()
        return HelperClient(near, child=pid)
    raise HostError("there is no helper on this system", code="host.refused")


def confine() -> None:
    """Limit this process to the resources of a helper."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for kind, limit in ((resource.RLIMIT_NOFILE, MAX_FILES), (resource.RLIMIT_FSIZE, MAX_FILE_BYTES)):
            # The hard limits stay: a runner, which the helper forks, needs more, and is root's as well.
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
        os.chdir("/")
        os.umask(0o022)
        with suppress(OSError):
            Path("/proc/self/comm").write_text(NAME)


class HelperProcess:
    """Performs the operations of one agent."""

    def __init__(
        self, rules: HelperRules, operations: Operations = HELPER_OPERATIONS, log_limit: LogLimit | None = None
    ) -> None:
        self._state = HelperState(rules)
        self._operations = operations
        self._log_limit = log_limit or LogLimit()

    def answer(self, connection: socket.socket) -> bool:
        """Wait for one request and answer it; return False if the agent has gone."""
        try:
            octets = connection.recv(MAX_BYTES + 1)
            if octets:
                self._answer(octets, connection)
        except OSError:  # the agent has gone, or reads no answers: an answer that is not read in time ends it
            return False
        return bool(octets)

    def undo(self) -> bool:
        """Give the host its own name servers back; return False if something of that is left to do."""
        try:
            return self._state.undo()
        except Exception:  # it is tried again at the next occasion, at the latest by the next start
            log.exception("dns.recovery_failed")
            return False

    def _answer(self, octets: bytes, connection: socket.socket) -> None:
        descriptors: list[int] = []
        try:
            reply = self._perform(octets, descriptors)
        except WarrenError as error:
            if isinstance(error, InputError):  # a refusal of the host is logged by the agent
                self._log_refusal(octets, error)
            reply = encode_error(error)
        except OSError as error:
            reply = encode_error(HostError(str(error.strerror), code="host.refused", errno=error.errno))
        except Exception:  # whatever one request meets, the next one is served, and the host gets its own back
            log.exception("helper.failed", extra={"asked": octets[:MAX_LOGGED_BYTES]})
            reply = encode_error(HostError("the helper failed in this request", code="helper.failed"))
        try:
            if sys.platform != "win32":
                socket.send_fds(connection, [reply], descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _log_refusal(self, octets: bytes, error: InputError) -> None:
        if (unlogged := self._log_limit.admit(monotonic_seconds())) is not None:
            asked = redact(octets.decode(errors="replace"))[:MAX_LOGGED_BYTES]
            extra = {"asked": asked, "code": error.code, "error": str(error), "unlogged": unlogged}
            log.warning("helper.refused", extra=extra)

    def _perform(self, octets: bytes, descriptors: list[int]) -> bytes:
        operation, request = parse_request(octets, self._operations)
        outcome = operation.perform(self._state, request)
        if operation.returns_descriptor:
            descriptors.append(outcome)
        return encode_answer(operation.reply.encode(outcome))


def limit_answers(connection: socket.socket) -> None:
    """Let no answer wait for a client that reads none, so that such a client cannot keep the helper from its end."""
    if sys.platform == "linux":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, TIMEVAL.pack(ANSWER_TIMEOUT_SECONDS, 0))


def _run(rules: HelperRules, connection: socket.socket) -> None:
    """Run the whole life of the child: nothing of its parent's runs in it."""
    status = 1
    try:
        _detach(connection.fileno())
        confine()
        process = HelperProcess(rules, FORKED_HELPER_OPERATIONS)
        limit_answers(connection)
        try:
            while process.answer(connection):
                pass
        finally:
            process.undo()
        status = 0
    except BaseException:
        log.critical("helper.crashed", exc_info=True)
    finally:
        os._exit(status)


def _detach(kept: int) -> None:
    """Outlive the agent: ignore the signals that end it, and close every other descriptor."""
    if sys.platform == "linux":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(3, kept)
        os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
