"""Watch which settings of forwarding other programs write."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress

from warren.tunnel.exit_journal import ALL, CONF
from warren.tunnel.netconf import EVERY_LINK, GROUPS, NEW_LINKS, parse_changes

RECEIVE_BYTES = 65_536
BUFFER_BYTES = 1 << 20  # a change of the whole host is a message for each link
AF_NETLINK, NETLINK_ROUTE = 16, 0


class NetconfWatch:
    """The kernel's messages since the last call. Nothing is reported where the socket cannot be opened."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Report changes from now on."""
        if sys.platform == "linux" and self._socket is None:
            with suppress(OSError):
                self._socket = _subscribed()

    def take(self) -> frozenset[str]:
        """Return the keys of the settings that were written since the last call, Warren's own writes too."""
        found: set[str] = set()
        if self._socket is None:
            return frozenset()
        with suppress(BlockingIOError):
            while True:
                try:
                    octets = self._socket.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    raise
                except OSError:  # ENOBUFS: more was reported than fits; the values themselves are compared as well
                    continue
                for change in parse_changes(octets):
                    with suppress(OSError):  # the link is gone
                        found.add(f"{CONF[change.version]}/{_name_of(change.index)}/{change.field}")
        return frozenset(found)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _subscribed() -> socket.socket:
    """Return a socket that gets the messages. Raises OSError."""
    opened = socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        opened.bind((0, GROUPS))
    except OSError:
        opened.close()
        raise
    return opened


def _name_of(index: int) -> str:
    match index:
        case _ if index == EVERY_LINK:
            return ALL
        case _ if index == NEW_LINKS:
            return "default"
        case _:
            return socket.if_indextoname(index)
