"""A TUN of the test's own in a host: what the kernel routes there, as the kernel itself cuts it."""

from __future__ import annotations

import fcntl
import os
import platform
import select
import struct
from typing import Self

import pytest

from .deadline import SOON_SECONDS
from .host import Host

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 1, 0x1000, 0x4000
NEEDS_CHECKSUM = 1
QUEUE_PACKETS = 10_000

NEEDS_USO = pytest.mark.skipif(
    tuple(map(int, platform.release().split(".")[:2])) < (6, 2), reason="UDP offload of a TUN (Linux 6.2)"
)


class Tun:
    """Use as a context manager. The link is up and has no address. Nothing is offloaded: packets from it are whole and
    have their checksums; with `header`, those written to it have a virtio header in front.
    """

    def __init__(self, host: Host, name: str, *, header: bool = False) -> None:
        flags = IFF_TUN | IFF_NO_PI | (IFF_VNET_HDR if header else 0)
        # The driver takes the namespace of whoever opens it.
        self._fd = host.inside(lambda: os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
        fcntl.ioctl(self._fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        host.ip("link", "set", name, "txqueuelen", str(QUEUE_PACKETS), "up")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def fileno(self) -> int:
        """Return the descriptor, for a program that inherits it."""
        return self._fd

    def read(self) -> bytes:
        """The next packet; TimeoutError if none comes."""
        if not select.select([self._fd], [], [], SOON_SECONDS)[0]:
            raise TimeoutError("no packet came")
        return os.read(self._fd, 1 << 17)

    def write(self, octets: bytes) -> None:
        """One packet into the host."""
        os.write(self._fd, octets)


def joined(kind: int, segment_bytes: int, start: int, field: int) -> bytes:
    """The virtio header of segments in one packet, whose transport header is at `start` (virtio 1.2, section 5.1.6)."""
    return struct.pack("=BBHHHH", NEEDS_CHECKSUM, kind, 0, segment_bytes, start, field)
