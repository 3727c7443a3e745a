"""The socket of a privileged process that no service manager started."""

from __future__ import annotations

import socket
from pathlib import Path

from warren.errors import HostError
from warren.files.make_directory import make_directory
from warren.files.trusted_path import process_trust
from warren.files.unix_listener import InUseError, bind_socket, remove_dead_socket
from warren.files.unix_socket import SocketKind, open_socket

BACKLOG = 8  # agents that connect while another is served are refused at once
SOCKET_UMASK = 0o111  # the kernel names the user who connects; the socket of a unit may be narrower
DIRECTORY_MODE = 0o755


def bind_service_socket(path: Path, kind: SocketKind, program: str, service: int) -> socket.socket:
    """Listen at `path`, in the place of the socket of a process that has exited; `program` names it in errors.

    The directory may belong to `service`, the user who is served: it could only replace the socket by one of its own,
    which no agent takes for root's. Raises HostError.
    """
    trust = process_trust(service)
    try:
        make_directory(path.parent, DIRECTORY_MODE, trust=trust)
        remove_dead_socket(path, kind, trust=trust)
        return _listen(path, kind)
    except InUseError:
        problem = f"a {program} already listens at {path}"
        raise HostError(problem, code=f"{program}.busy", hint=f"stop that {program} first") from None
    except OSError as error:
        raise HostError(f"cannot listen at {path}: {error.strerror}", code="host.refused", errno=error.errno) from error


def _listen(path: Path, kind: SocketKind) -> socket.socket:
    listener = open_socket(kind)
    try:
        bind_socket(listener, path, SOCKET_UMASK)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
