"""What the control socket needs of a Unix: its sockets, locks, groups, and who is at the other end."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from pathlib import Path

from warren.errors import HostError
from warren.local_client import Client, Group

if sys.platform != "win32":
    import fcntl
    import grp

CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
NOBODY = 0xFFFF_FFFF  # what the kernel says of an end that is no process of this host
SO_PEERGROUPS = 59  # since Linux 4.13; Python has no name for it
GROUPS_OCTETS = 1024  # 256 groups: Python takes no more from getsockopt(2)


def unix_socket() -> socket.socket:
    """A stream socket that no program inherits. Raises HostError where there are none."""
    if sys.platform != "win32":
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    raise _absent("Unix sockets")


def is_listening_unix_socket(found: socket.socket) -> bool:
    """Whether clients can connect to it."""
    if sys.platform == "linux":
        is_stream = (found.family, found.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
        return is_stream and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    raise _absent("SO_ACCEPTCONN")


def peer_credentials(connection: socket.socket) -> Client:
    """The process at the other end as it was when it connected, or listened: a later one of its number does not count.

    Raises HostError if the kernel does not know it.
    """
    if sys.platform == "linux":
        octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        pid, uid, gid = CREDENTIALS.unpack(octets)
        if uid == NOBODY:
            raise HostError("the client is no process of this host", code="request.unidentified")
        return Client(uid, gid, pid, _groups_of(connection))
    raise _absent("SO_PEERCRED")


def _groups_of(connection: socket.socket) -> frozenset[int]:
    try:
        octets = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_OCTETS)
    except OSError as error:
        if error.errno != errno.ERANGE:
            raise
        problem = f"the client is in more than {GROUPS_OCTETS // 4} groups"
        raise HostError(problem, code="request.unidentified", hint="connect as a user in fewer groups") from error
    return frozenset(memoryview(octets).cast("I"))


def find_group(name: str) -> Group:
    """The group of that name, as this host has it now."""
    if sys.platform != "win32":
        try:
            return Group(name, grp.getgrnam(name).gr_gid)
        except KeyError:
            return Group(name, None)
    raise _absent("groups")


def group_name(gid: int) -> str:
    """Its name, or its number where it has none."""
    if sys.platform != "win32":
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)
    raise _absent("groups")


def take_lock(descriptor: int) -> bool:
    """Locks a file for as long as it is open; False if another process has done so."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
    raise _absent("flock")


def give_to_group(path: Path, gid: int) -> None:
    """Raises OSError."""
    if sys.platform != "win32":
        os.chown(path, -1, gid, follow_symlinks=False)
        return
    raise _absent("groups")


def _absent(what: str) -> HostError:
    return HostError(f"the control socket needs {what}, which this system has not", code="host.refused")
