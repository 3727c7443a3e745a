"""Unix sockets on the disk: one process listens at one path, whatever a process before it left there (H-24, H-42).

Power cut: nothing of a socket outlives it; the next start removes what was left. Hostile directory: only a socket at
which nobody listens is removed, and at the end only the one that was made here. Who can write the directory can take
the path away, and nobody else.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from warren.errors import HostError
from warren.files.directory import Directory
from warren.files.lock_file import LockFile
from warren.files.trusted_path import Trust, parent_directory
from warren.files.unix_socket import SocketKind, chown_socket, is_listening, open_socket, peer_credentials

LOCK_SUFFIX = ".lock"
SOCKET_UMASK = 0o117  # from the first moment 0660
BACKLOG = 64
FIRST_ACTIVATION_FD = 3  # SD_LISTEN_FDS_START
CONTROL_NAME = "control"
PROBE_TIMEOUT_SECONDS = 1  # connecting to a live socket takes microseconds


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, and what must be undone when it ends."""

    socket: socket.socket
    path: Path
    undo: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.undo.close()


class InUseError(Exception):
    """A process listens at a path; `pid` is its number, or None if it cannot be found out."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(pid)
        self.pid = pid


def listen(
    path: Path, gid: int | None = None, remove: Callable[[Path], object] | None = None, *, trust: Trust | None
) -> Listener:
    """Listen at `path` with mode 0660 for the group `gid`; None leaves the group of this process.

    A socket that a killed agent left is replaced. `remove` removes the socket at the end, if this process may not.
    Raises HostError: `agent.running` if another process listens there, with its pid.
    """
    with _as_host_error(path), ExitStack() as undo:
        _lock(path, undo, trust)
        try:
            remove_dead_socket(path, trust=trust)
        except InUseError as error:
            raise _running(path, str(error.pid or "")) from None
        listener = undo.enter_context(open_socket())
        bind_socket(listener, path, SOCKET_UMASK)
        undo.callback(_remove_own, path, path.lstat(), remove or remove_socket)
        if gid is not None:
            chown_socket(path, gid=gid)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return Listener(listener, path, undo.pop_all())


def activation_fd(environ: Mapping[str, str] = os.environ) -> int | None:
    """Return the descriptor of a socket that the service manager passed to this process (sd_listen_fds(3)), or None.

    Of several it is the one with FileDescriptorName=control, else the first.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or not int(count):
        return None
    names = environ.get("LISTEN_FDNAMES", "").split(":")[: int(count)]
    return FIRST_ACTIVATION_FD + (names.index(CONTROL_NAME) if CONTROL_NAME in names else 0)


def from_activation(descriptor: int) -> Listener:
    """Take over a socket on which the service manager listens, and which it removes itself. Raises HostError."""
    listener = adopt_socket(descriptor, SocketKind.STREAM)
    listener.setblocking(False)
    undo = ExitStack()
    undo.enter_context(listener)
    return Listener(listener, Path(os.fsdecode(listener.getsockname())), undo)


def adopt_socket(descriptor: int, kind: SocketKind) -> socket.socket:
    """Return a listening Unix socket of that kind for a descriptor. Raises HostError if it is anything else."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _not_adopted(descriptor, kind, error.errno) from error
    if not is_listening(found, kind):
        found.detach()
        raise _not_adopted(descriptor, kind)
    found.set_inheritable(False)
    return found


def bind_socket(listener: socket.socket, path: Path, umask: int) -> None:
    """Bind a socket to a path; the umask applies from its first moment. Raises OSError."""
    before = os.umask(umask)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def remove_dead_socket(path: Path, kind: SocketKind = SocketKind.STREAM, *, trust: Trust | None) -> bool:
    """Remove a socket at which nobody listens. Return False if there is nothing at `path`.

    Raises HostError if it is not a socket, InUseError if a process listens there, UntrustedPathError and OSError.
    """
    with suppress(FileNotFoundError), parent_directory(path, trust) as directory:
        return remove_dead_socket_in(directory, path.name, kind)
    return False


def remove_dead_socket_in(directory: Directory, name: str, kind: SocketKind = SocketKind.STREAM) -> bool:
    """Remove a socket of an open directory, as `remove_dead_socket` does."""
    path = directory.path / name
    with directory.probe(name) as probed:
        if not stat.S_ISSOCK(os.fstat(probed).st_mode):
            raise HostError(f"{path} exists and is not a socket", code="host.refused", hint=f"remove {path}")
        # By the descriptor, so that what is asked is what was looked at.
        _verify_dead(Path(f"/proc/self/fd/{probed}") if sys.platform == "linux" else path, kind)
    return directory.remove(name)


def remove_lock(path: Path, *, trust: Trust | None) -> None:
    """Remove the lock file of a socket that does not exist, unless a process has the lock.

    Raises OSError and UntrustedPathError.
    """
    lock_path = path.with_name(path.name + LOCK_SUFFIX)
    with suppress(FileNotFoundError), parent_directory(path, trust) as directory:
        descriptor = directory.open(lock_path.name, os.O_RDWR)
        with LockFile(lock_path, descriptor) as lock:
            if lock.acquire() and lock.is_linked and not os.path.lexists(path):
                directory.remove(lock_path.name)


def remove_socket(path: Path) -> bool:
    """Remove a socket. Return False if there is nothing at `path`. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _not_adopted(descriptor: int, kind: SocketKind, errno: int | None = None) -> HostError:
    problem = f"descriptor {descriptor} is not a listening Unix socket; expected one of {kind.directive}"
    return HostError(problem, code="host.refused", errno=errno)


def _lock(path: Path, undo: ExitStack, trust: Trust | None) -> None:
    lock = undo.enter_context(LockFile.open(path.with_name(path.name + LOCK_SUFFIX), trust=trust))
    if not lock.acquire():
        raise _running(path, lock.holder)
    lock.record_holder(str(os.getpid()))


def _verify_dead(path: Path, kind: SocketKind) -> None:
    with open_socket(kind) as probe:
        probe.settimeout(PROBE_TIMEOUT_SECONDS)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
        except (BlockingIOError, TimeoutError):  # its queue is full of clients that wait
            raise InUseError(None) from None
        raise InUseError(peer_credentials(probe).pid)


def _running(path: Path, pid: str) -> HostError:
    process = f"pid {pid}" if pid else "another process"
    return HostError(f"an agent serves {path} already: {process}", code="agent.running")


def _remove_own(path: Path, ours: os.stat_result, remove: Callable[[Path], object]) -> None:
    with suppress(FileNotFoundError):
        found = path.lstat()
        if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
            remove(path)


@contextmanager
def _as_host_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = "host.not_permitted" if isinstance(error, PermissionError) else "host.refused"
        raise HostError(f"cannot listen at {path}: {error.strerror or error}", code=code, errno=error.errno) from error
