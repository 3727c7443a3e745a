"""Notice at once that tables of nftables are removed, as by `nft flush ruleset`."""

from __future__ import annotations

import socket
import struct
import sys

AF_NETLINK, NETLINK_NETFILTER, SOL_NETLINK = 16, 12, 270
NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES = 1, 7
DELETE_TABLE = 10 << 8 | 2  # NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE
HEADER = struct.Struct("=IH")  # of nlmsghdr: length and type
HEADER_BYTES = 16
RECEIVE_BYTES = 65_536


class TableWatch:
    """The kernel's messages about tables. Needs CAP_NET_ADMIN."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    @classmethod
    def open(cls) -> TableWatch | None:
        """Return a watch; None where the kernel has no such messages, or gives this process none."""
        try:
            opened = _subscribed() if sys.platform == "linux" else None
        except OSError:
            opened = None
        return None if opened is None else cls(opened)

    def fileno(self) -> int:
        """Return the descriptor, which is readable while there are messages."""
        return self._socket.fileno()

    def was_removed(self) -> bool:
        """Read the messages, and return True if a table was removed, or if messages were lost."""
        found = False
        while True:
            try:
                found |= DELETE_TABLE in _kinds(self._socket.recv(RECEIVE_BYTES))
            except BlockingIOError:
                return found
            except OSError:  # ENOBUFS
                found = True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _subscribed() -> socket.socket:
    opened = socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    try:
        opened.setblocking(False)
        opened.bind((0, 0))
        opened.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
    except OSError:
        opened.close()
        raise
    return opened


def _kinds(octets: bytes) -> set[int]:
    kinds = set()
    while len(octets) >= HEADER_BYTES:
        length, kind = HEADER.unpack_from(octets)
        if not HEADER_BYTES <= length <= len(octets):
            break
        kinds.add(kind)
        octets = octets[length + -length % 4 :]
    return kinds
