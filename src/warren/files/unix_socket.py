"""Open Unix sockets, and identify their groups and the process at the other end."""

from __future__ import annotations

import enum
import errno
import os
import socket
import struct
import sys
from pathlib import Path

from warren.errors import HostError
from warren.local_client import Client, Group

if sys.platform != "win32":
    import grp

CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
NOBODY = 0xFFFF_FFFF  # what the kernel returns for an end that is no process of this host
SO_PEERGROUPS = 59  # since Linux 4.13; Python has no name for it
GROUPS_OCTETS = 1024  # 256 groups: Python takes no more from getsockopt(2)


class SocketKind(enum.Enum):
    """Distinguish a stream of bytes from datagrams in order over a connection."""

    STREAM = enum.auto()
    SEQPACKET = enum.auto()

    @property
    def directive(self) -> str:
        """Return the directive of systemd.socket(5) that makes such a socket."""
        return "ListenStream=" if self is SocketKind.STREAM else "ListenSequentialPacket="


def open_socket(kind: SocketKind = SocketKind.STREAM) -> socket.socket:
    """Make a socket that no program inherits. Raises HostError where there are no Unix sockets."""
    if sys.platform != "win32":
        return socket.socket(socket.AF_UNIX, _type_of(kind))
    raise _missing("Unix sockets")


def is_listening(found: socket.socket, kind: SocketKind = SocketKind.STREAM) -> bool:
    """Return whether clients can connect to it, and it is of that kind."""
    if sys.platform == "linux":
        is_right = (found.family, found.type) == (socket.AF_UNIX, _type_of(kind))
        return is_right and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    raise _missing("SO_ACCEPTCONN")


def peer_credentials(connection: socket.socket) -> Client:
    """Return the process at the other end, as it was when it connected or began to listen (unix(7), SO_PEERCRED).

    Raises HostError if the kernel does not know it.
    """
    if sys.platform == "linux":
        octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        pid, uid, gid = CREDENTIALS.unpack(octets)
        if uid == NOBODY:
            raise HostError("the client is not a process of this host", code="request.unidentified")
        return Client(uid, gid, pid, _groups_of(connection))
    raise _missing("SO_PEERCRED")


def find_group(name: str) -> Group:
    """Return the group of that name, with its number if this host has it."""
    if sys.platform != "win32":
        try:
            return Group(name, grp.getgrnam(name).gr_gid)
        except KeyError:
            return Group(name, None)
    raise _missing("groups")


def group_name(gid: int) -> str:
    """Return the name of a group, or its number if it has none."""
    if sys.platform != "win32":
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)
    raise _missing("groups")


def chown_socket(path: Path, uid: int = -1, gid: int = -1) -> None:
    """Change the owner of a socket on the disk; -1 keeps one of them, and a link is not followed. Raises OSError."""
    if sys.platform != "win32":
        os.chown(path, uid, gid, follow_symlinks=False)
        return
    raise _missing("groups")


def _type_of(kind: SocketKind) -> socket.SocketKind:
    return socket.SOCK_STREAM if kind is SocketKind.STREAM else socket.SOCK_SEQPACKET


def _groups_of(connection: socket.socket) -> frozenset[int]:
    try:
        octets = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_OCTETS)
    except OSError as error:
        if error.errno != errno.ERANGE:
            raise
        problem = f"the client is in more than {GROUPS_OCTETS // 4} groups"
        raise HostError(problem, code="request.unidentified", hint="connect as a user in fewer groups") from error
    return frozenset(memoryview(octets).cast("I"))


def _missing(feature: str) -> HostError:
    return HostError(f"this system has no {feature}", code="host.refused")
