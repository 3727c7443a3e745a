"""A TUN of a host, for a program that takes it as its standard input."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from host import Host

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
QUEUE_PACKETS = 10_000


@contextmanager
def opened(host: Host, name: str, address: str, mtu: int) -> Iterator[int]:
    """Yield the descriptor of a new TUN, which is up with an address (and its prefix length). It does not block."""
    # The driver takes the namespace of the thread that opens it.
    descriptor = host.inside(lambda: os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        host.ip("address", "add", address, "dev", name)
        host.ip("link", "set", name, "mtu", str(mtu), "txqueuelen", str(QUEUE_PACKETS), "up")
        yield descriptor
    finally:
        os.close(descriptor)
