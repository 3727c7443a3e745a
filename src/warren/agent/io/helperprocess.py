"""The helper: what stays root when the agent no longer is. It does what is on its list, and nothing else.

It is forked before the agent has a thread, a key or a socket of the network, and has none of these itself. It ends
when the agent does, however that ends, and then gives the host its own name servers back.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import stat
import sys
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from warren.agent.errands import (
    MAX_BYTES,
    ApplyDns,
    HostDns,
    OpenConfig,
    OpenKey,
    OpenTun,
    RecoverDns,
    RemoveSocket,
    Request,
    RevertDns,
    TurnKey,
    VerifyDns,
    encode_answer,
    encode_refusal,
    key_files_fields,
    parse_request,
    refusal_fields,
    steps_below,
)
from warren.agent.io.helperclient import HelperClient
from warren.clock import monotonic_seconds
from warren.errors import HostError, InputError, KeyFileError, WarrenError
from warren.keys import MAX_BYTES as MAX_KEY_BYTES
from warren.keys import OPEN_FLAGS, check_key_file
from warren.localapi.io.unix import take_lock
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.keyfile import turn

if sys.platform == "linux":
    import resource

TUN = "/dev/net/tun"
ROOT = 0
DIRECTORY_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
WRITERS = stat.S_IWGRP | stat.S_IWOTH
MAX_FILES = 64  # descriptors: it needs a dozen, and the programs that it runs no more
MAX_FILE_BYTES = 1 << 20  # none of the files that it writes has a hundredth of this
LOCK_SECONDS = 30  # the programs that set name servers have ten each
GLANCE_SECONDS = 0.05
NAME = "warren-helper"  # at most 15 octets (prctl(2), PR_SET_NAME)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What it keeps to. The agent that asks cannot change it."""

    key_directories: tuple[str, ...]
    owners: frozenset[int]
    """To whom a key file may belong."""
    config: Path
    """The agent's configuration."""
    socket: Path
    """The agent's control socket."""
    journal: Path
    """A directory of root's alone, for what must be undone."""
    root: Path = Path("/")
    """Where the host's own files begin."""


def start_helper(rules: Rules) -> HelperClient:
    """Forks it. To be called by root, before the first thread. Raises OSError."""
    if sys.platform == "linux":
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            near.close()
            _run(rules, far)
        far.close()
        return HelperClient(near, pid)
    raise HostError("there is no helper on this system", code="host.refused")


def _run(rules: Rules, connection: socket.socket) -> None:
    """The whole life of the child: nothing of its parent's runs in it."""
    status = 1
    try:
        _confine(connection.fileno())
        HelperProcess(rules, connection).serve()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def _confine(kept: int) -> None:
    """Keeps what it needs. It outlives the signals that end the agent, to undo what the agent leaves behind."""
    if sys.platform == "linux":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(3, kept)
        os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        for kind, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, MAX_FILES),
            (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        ):
            resource.setrlimit(kind, (most, most))
        os.chdir("/")
        os.umask(0o022)
        with suppress(OSError):
            Path("/proc/self/comm").write_text(NAME)


class HelperProcess:
    """Answers what comes by `connection` until its other end closes."""

    def __init__(self, rules: Rules, connection: socket.socket) -> None:
        self._rules = rules
        self._connection = connection
        self._resolver = Resolver(rules.journal, rules.root)
        self._lock: int | None = None

    def serve(self) -> None:
        """Until then; and then the host has its name servers back."""
        with suppress(ConnectionError):
            while octets := self._connection.recv(MAX_BYTES + 1):
                self._answer(octets)
        if self._lock is not None:
            for problem in self._resolver.recover():
                log.error("dns.not_recovered", extra={"error": str(problem), "remedy": problem.remedy})

    def _answer(self, octets: bytes) -> None:
        descriptors: list[int] = []
        try:
            answer = encode_answer(self._do(parse_request(octets), descriptors))
        except WarrenError as error:
            if isinstance(error, InputError):  # what the host refuses, the agent tells
                log.warning("helper.refused", extra={"asked": octets[:400], "code": error.code, "error": str(error)})
            answer = encode_refusal(error)
        except OSError as error:
            answer = encode_refusal(HostError(str(error.strerror), code="host.refused", errno=error.errno))
        try:
            if sys.platform != "win32":
                socket.send_fds(self._connection, [answer], descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _do(self, request: Request, descriptors: list[int]) -> object:
        """What it answers; what it passes is put into `descriptors`. Raises WarrenError or OSError."""
        match request:
            case OpenKey(path):
                descriptors.append(self._open_key(path))
            case TurnKey(path, step):
                os.close(self._open_key(path))
                return key_files_fields(turn(Path(path), step, self._rules.owners))
            case OpenTun():
                descriptors.append(os.open(TUN, os.O_RDWR | getattr(os, "O_NONBLOCK", 0)))
            case OpenConfig():
                descriptors.append(self._open_config())
            case RemoveSocket():
                self._remove_socket()
            case ApplyDns() | VerifyDns() | RevertDns() | RecoverDns() | HostDns():
                return _done_with(self._locked(), request)
            case _:
                assert_never(request)
        return None

    def _open_key(self, path: str) -> int:
        """From its directory down: no link is followed, and nobody but root can have put one there meanwhile."""
        directory, names = steps_below(path, self._rules.key_directories)
        with ExitStack() as opened:
            at = _open_at(None, directory, DIRECTORY_FLAGS, path, opened)
            _check_directory(at, path)
            for name in names[:-1]:
                at = _open_at(at, name, DIRECTORY_FLAGS, path, opened)
                _check_directory(at, path)
            found = _open_at(at, names[-1], OPEN_FLAGS, path, opened)
            status = os.fstat(found)
            check_key_file(Path(path), status, self._rules.owners)
            if status.st_size > MAX_KEY_BYTES:  # what else root keeps there is none of the agent's business
                problem = f"{path} holds no key: it has {status.st_size} octets, a key has {MAX_KEY_BYTES} at most"
                raise KeyFileError(problem, code="key_file.invalid")
            return os.dup(found)

    def _open_config(self) -> int:
        path = self._rules.config
        with ExitStack() as opened:
            at = _open_at(None, str(path.parent), DIRECTORY_FLAGS, str(path), opened)
            _check_directory(at, str(path))
            found = _open_at(at, path.name, OPEN_FLAGS, str(path), opened)
            if not stat.S_ISREG(os.fstat(found).st_mode):
                raise InputError(f"{path} is not a regular file", code="config.invalid")
            return os.dup(found)

    def _remove_socket(self) -> None:
        """That of an agent of one of its users, and in a directory where nobody else could put another file."""
        path = self._rules.socket
        with ExitStack() as opened:
            at = _open_at(None, str(path.parent), DIRECTORY_FLAGS, str(path), opened)
            _check_directory(at, str(path))
            found = os.stat(path.name, dir_fd=at, follow_symlinks=False)
            if stat.S_ISSOCK(found.st_mode) and found.st_uid in self._rules.owners:
                os.unlink(path.name, dir_fd=at)

    def _locked(self) -> Resolver:
        """The resolver, once the helper of an agent that was killed has done with it. Raises HostError."""
        if self._lock is None and sys.platform == "linux":
            lock = os.open(self._rules.journal / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            if not _is_locked(lock, monotonic_seconds() + LOCK_SECONDS):
                os.close(lock)
                problem = f"the helper of another agent works with {self._rules.journal}"
                remedy = "stop that one, or give each a directory of its own as [daemon] state"
                raise HostError(problem, code="dns.refused", remedy=remedy)
            self._lock = lock
        return self._resolver


def _done_with(resolver: Resolver, request: ApplyDns | VerifyDns | RevertDns | RecoverDns | HostDns) -> object:
    """What there is to answer. Raises HostError."""
    match request:
        case ApplyDns(network, interface, servers):
            return resolver.apply(network, interface, servers).value
        case VerifyDns(network):
            resolver.verify(network)
        case RevertDns(network):
            resolver.revert(network)
        case RecoverDns():
            return [refusal_fields(problem) for problem in resolver.recover()]
        case HostDns():
            return [str(server) for server in resolver.host_servers()]
        case _:
            assert_never(request)
    return None


def _is_locked(descriptor: int, until: float) -> bool:
    while not take_lock(descriptor):
        if monotonic_seconds() > until:
            return False
        time.sleep(GLANCE_SECONDS)
    return True


def _open_at(above: int | None, name: str, flags: int, path: str, opened: ExitStack) -> int:
    """One step of `path`."""
    try:
        found = os.open(name, flags, dir_fd=above)
    except OSError as error:
        is_link = error.errno == errno.ELOOP or (flags == DIRECTORY_FLAGS and error.errno == errno.ENOTDIR)
        problem = f"{path}: {name} is a link, or no directory" if is_link else f"{path}: {error.strerror}"
        code = "key_file.link" if is_link else "key_file.unusable"
        raise KeyFileError(problem, code=code, errno=error.errno) from error
    opened.callback(os.close, found)
    return found


def _check_directory(descriptor: int, path: str) -> None:
    status = os.fstat(descriptor)
    if status.st_uid != ROOT or status.st_mode & WRITERS:
        problem = f"{path} lies in a directory that others than root can write: the helper does nothing there"
        raise KeyFileError(problem, code="key_file.directory")
