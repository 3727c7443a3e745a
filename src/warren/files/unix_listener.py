"""The control socket on the disk: one agent for one path, whatever an agent before it left there (H-24, H-42)."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from warren.errors import HostError
from warren.files.unix_socket import give_to_group, is_listening_unix_socket, peer_credentials, take_lock, unix_socket

LOCK_SUFFIX = ".lock"
# For root and the agent's own user alone: who can open it can lock it, and keep the agent from starting.
LOCK_MODE = 0o600
SOCKET_UMASK = 0o117  # from the first moment 0660
BACKLOG = 64
FIRST_HANDED_OVER = 3  # SD_LISTEN_FDS_START
CONTROL_NAME = "control"
PROBE_SECONDS = 1  # connecting to a live socket takes microseconds


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens, and what must be undone when it ends."""

    socket: socket.socket
    path: Path
    undo: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.undo.close()


def listen(path: Path, gid: int | None = None, remove: Callable[[Path], None] = Path.unlink) -> Listener:
    """Listens at `path`, mode 0660, for the group `gid`; None leaves it the process's own. `remove` takes it away.

    A socket that an agent left behind is replaced. Raises HostError: `agent.running`, with its pid, where one listens.
    """
    with _told(path), ExitStack() as undo:
        _lock(path, undo)
        _remove_dead(path)
        listener = undo.enter_context(unix_socket())
        _bind(listener, path)
        undo.callback(_remove, path, path.lstat(), remove)
        if gid is not None:
            give_to_group(path, gid)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return Listener(listener, path, undo.pop_all())


def activation_fd(environ: Mapping[str, str] = os.environ) -> int | None:
    """The descriptor of a control socket that the service manager holds for this process (sd_listen_fds(3)).

    Of several it is the one with FileDescriptorName=control, else the first. None where there is none.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or not int(count):
        return None
    names = environ.get("LISTEN_FDNAMES", "").split(":")[: int(count)]
    return FIRST_HANDED_OVER + (names.index(CONTROL_NAME) if CONTROL_NAME in names else 0)


def from_activation(descriptor: int) -> Listener:
    """Takes over a socket that the service manager listens on; its file is not ours to remove.

    Raises HostError.
    """
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _not_adopted(descriptor, error.errno) from error
    if not is_listening_unix_socket(listener):
        listener.detach()
        raise _not_adopted(descriptor)
    listener.set_inheritable(False)
    listener.setblocking(False)
    undo = ExitStack()
    undo.enter_context(listener)
    return Listener(listener, Path(os.fsdecode(listener.getsockname())), undo)


def _not_adopted(descriptor: int, errno: int | None = None) -> HostError:
    problem = f"descriptor {descriptor} is no listening Unix socket; expected one of the service manager"
    return HostError(problem, code="host.refused", errno=errno)


def _lock(path: Path, undo: ExitStack) -> None:
    lock = path.with_name(path.name + LOCK_SUFFIX)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), LOCK_MODE)
    undo.callback(os.close, descriptor)
    if not take_lock(descriptor):
        raise _running(path, os.read(descriptor, 20).decode(errors="replace").strip())
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _remove_dead(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise HostError(f"{path} is there and is no socket; expected nothing there", code="host.refused")
    _verify_dead(path)
    path.unlink()


def _verify_dead(path: Path) -> None:
    with unix_socket() as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except (BlockingIOError, TimeoutError):  # so many wait there that there is no room for one more
            raise _running(path, "") from None
        raise _running(path, str(peer_credentials(probe).pid))


def _running(path: Path, pid: str) -> HostError:
    who = f"pid {pid}" if pid else "another process"
    return HostError(f"an agent serves {path} already: {who}", code="agent.running")


def _bind(listener: socket.socket, path: Path) -> None:
    before = os.umask(SOCKET_UMASK)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def _remove(path: Path, ours: os.stat_result, remove: Callable[[Path], None]) -> None:
    with suppress(FileNotFoundError):
        found = path.lstat()
        if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
            remove(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = "host.not_permitted" if isinstance(error, PermissionError) else "host.refused"
        raise HostError(f"cannot listen at {path}: {error.strerror or error}", code=code, errno=error.errno) from error
