"""The helper: what stays root when the agent no longer is. It does what is on its list, and nothing else.

Root's agent forks it before it has a thread, a key or a socket of the network, and it has none of these itself. It ends
when the agent does, however that ends, and then gives the host its own name servers back. helpersocket.py has the other
one, which is a unit of its own.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import stat
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from warren.commands.settings import CommandSettings
from warren.errors import HostError, InputError, KeyFileError, WarrenError
from warren.files.directory import Directory
from warren.files.key_file import MAX_BYTES as MAX_KEY_BYTES
from warren.files.key_file import check_key_file
from warren.files.lock_file import LockFile
from warren.files.trusted_path import READ_FLAGS, ROOT_TRUST, Doubt, Trust, UntrustedPathError, trusted_directory
from warren.privsep.helper_protocol import (
    MAX_BYTES,
    ApplyDns,
    GetHostDns,
    OpenConfig,
    OpenKey,
    OpenRunner,
    OpenTun,
    RecoverDns,
    RemoveSocket,
    Request,
    RevertDns,
    RotateKey,
    VerifyDns,
    encode_answer,
    encode_refusal,
    key_files_fields,
    parse_request,
    refusal_fields,
    steps_below,
)
from warren.privsep.io.helper_client import HelperClient
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.key_rotation import rotate_key

if sys.platform == "linux":
    import resource

TUN = "/dev/net/tun"
MAX_FILES = 64  # descriptors: it needs a dozen, and the programs that it runs no more
MAX_FILE_BYTES = 1 << 20  # none of the files that it writes has a hundredth of this
LOCK_SECONDS = 30  # the programs that set name servers have ten each
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
    commands: CommandSettings | None = None
    """What signed commands go by; None where none run here."""


def start_helper(rules: Rules) -> HelperClient:
    """Forks it. To be called by root, before the first thread. Raises OSError."""
    if sys.platform == "linux":
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            near.close()
            _run(rules, far)
        far.close()
        return HelperClient(near, child=pid)
    raise HostError("there is no helper on this system", code="host.refused")


def _run(rules: Rules, connection: socket.socket) -> None:
    """The whole life of the child: nothing of its parent's runs in it."""
    status = 1
    try:
        _outlive_the_agent(connection.fileno())
        confine()
        work = HelperProcess(rules)
        while work.answer(connection):
            pass
        work.settle()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def _outlive_the_agent(kept: int) -> None:
    """The signals that end it, to undo what it leaves behind; without what else it had open."""
    if sys.platform == "linux":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(3, kept)
        os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def confine() -> None:
    """This process has no more than a helper needs."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for kind, most in ((resource.RLIMIT_NOFILE, MAX_FILES), (resource.RLIMIT_FSIZE, MAX_FILE_BYTES)):
            # The hard ones stay as they are: a runner, which it forks, needs more, and is root's as well.
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
        os.chdir("/")
        os.umask(0o022)
        with suppress(OSError):
            Path("/proc/self/comm").write_text(NAME)


class HelperProcess:
    """Does one agent's errands."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._resolver = Resolver(rules.journal, rules.root)
        self._lock: LockFile | None = None
        self._runner: int | None = None

    def answer(self, connection: socket.socket) -> bool:
        """Waits for one, and does it; False once the agent has gone."""
        try:
            octets = connection.recv(MAX_BYTES + 1)
            if octets:
                self._answer(octets, connection)
        except ConnectionError:
            return False
        return bool(octets)

    def settle(self) -> bool:
        """The host has its name servers back; False if something is left to be undone."""
        if self._lock is None:
            return True
        problems = self._resolver.recover()
        for problem in problems:
            log.error("dns.not_recovered", extra={"error": str(problem), "hint": problem.hint})
        if not problems:
            self._lock.close()
            self._lock = None
        return not problems

    def _answer(self, octets: bytes, connection: socket.socket) -> None:
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
                socket.send_fds(connection, [answer], descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _do(self, request: Request, descriptors: list[int]) -> object:
        """What it answers; what it passes is put into `descriptors`. Raises WarrenError or OSError."""
        match request:
            case OpenKey(path):
                descriptors.append(self._open_key(path))
            case RotateKey(path, step):
                os.close(self._open_key(path))
                return key_files_fields(rotate_key(Path(path), step, self._rules.owners))
            case OpenTun():
                descriptors.append(os.open(TUN, os.O_RDWR | getattr(os, "O_NONBLOCK", 0)))
            case OpenConfig():
                descriptors.append(open_config(self._rules.config))
            case OpenRunner():
                descriptors.append(self._open_runner())
            case RemoveSocket():
                self._remove_socket()
            case ApplyDns() | VerifyDns() | RevertDns() | RecoverDns() | GetHostDns():
                return _done_with(self._locked(), request)
            case _:
                assert_never(request)
        return None

    def _open_runner(self) -> int:
        """The one before it ends when its line does, and what it was doing: nothing else waits for that."""
        if self._rules.commands is None:
            raise InputError("no signed commands run here: [security] exec_enable is false", code="helper.refused")
        if sys.platform != "win32" and self._runner is not None and os.waitpid(self._runner, os.WNOHANG) == (0, 0):
            problem = "the runner before has not ended yet"
            raise HostError(problem, code="host.refused", hint="its line ends first; it is asked for again then")
        self._runner = None
        # Imported late: few need what a runner needs, and each helper would carry it.
        from warren.privsep.io.runner_process import fork_runner  # noqa: PLC0415

        self._runner, line = fork_runner(self._rules.commands)
        return line

    def _open_key(self, path: str) -> int:
        """From its directory down: no link is followed, and nobody but root can have put one there meanwhile."""
        directory, names = steps_below(path, self._rules.key_directories)
        with _key_file_errors(path), _roots_directory(Path(directory), *names[:-1]) as found:
            descriptor = found.open(names[-1], READ_FLAGS)
        try:
            status = os.fstat(descriptor)
            check_key_file(Path(path), status, self._rules.owners)
            if status.st_size > MAX_KEY_BYTES:  # what else root keeps there is none of the agent's business
                problem = f"{path} holds no key: it has {status.st_size} octets, a key has {MAX_KEY_BYTES} at most"
                raise KeyFileError(problem, code="key_file.invalid")
        except WarrenError:
            os.close(descriptor)
            raise
        return descriptor

    def _remove_socket(self) -> None:
        """That of an agent of one of its users, and in a directory where nobody else could put another file."""
        path = self._rules.socket
        with _key_file_errors(str(path)), _roots_directory(path.parent) as directory:
            found = directory.status(path.name)
            if stat.S_ISSOCK(found.st_mode) and found.st_uid in self._rules.owners:
                directory.remove(path.name)

    def _locked(self) -> Resolver:
        """The resolver, once the helper of an agent that was killed has done with it. Raises HostError."""
        if self._lock is None:
            self._lock = lock_journal(self._rules.journal)
        return self._resolver


def _done_with(resolver: Resolver, request: ApplyDns | VerifyDns | RevertDns | RecoverDns | GetHostDns) -> object:
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
        case GetHostDns():
            return [str(server) for server in resolver.host_servers()]
        case _:
            assert_never(request)
    return None


def open_config(path: Path) -> int:
    """A descriptor to read a configuration by that only root can have put there. Raises KeyFileError or InputError."""
    with _key_file_errors(str(path)), _roots_directory(path.parent) as directory:
        descriptor = directory.open(path.name, READ_FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path} is not a regular file", code="config.invalid")
    return descriptor


def lock_journal(journal: Path) -> LockFile:
    """Lock root's journal for this process. Raises HostError if another helper has it, and OSError."""
    lock = LockFile.open(journal / "lock")
    if not lock.wait(LOCK_SECONDS):
        lock.close()
        problem = f"the helper of another agent works with {journal}"
        hint = "stop that one, or give each a directory of its own as [daemon] state"
        raise HostError(problem, code="dns.refused", hint=hint)
    return lock


def _roots_directory(path: Path, *below: str) -> Directory:
    """Open a directory that only root can write, or one below it. Links of root's may lead to it, and none further."""
    with trusted_directory(path.parent, Trust(follow_links=True)) as above:
        return trusted_directory(Path(path.name, *below), ROOT_TRUST, above)


@contextmanager
def _key_file_errors(path: str) -> Iterator[None]:
    try:
        yield
    except UntrustedPathError as error:
        code = "key_file.symlink" if error.doubt is Doubt.LINK else "key_file.directory_permissions"
        raise KeyFileError(f"{path}: {error}", code=code, errno=error.errno, hint=error.hint) from error
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        problem = f"{path} is a symbolic link" if is_link else f"{path}: {error.strerror}"
        code = "key_file.symlink" if is_link else "key_file.unusable"
        raise KeyFileError(problem, code=code, errno=error.errno) from error
