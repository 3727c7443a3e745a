"""System calls that offloads are asked for and used with, as a supervisor sees them: which is which."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .supervised import SOL_UDP, TUNSETIFF, TUNSETOFFLOAD

IFF_VNET_HDR = 0x4000
TSO, USO = 0x02 | 0x04, 0x20 | 0x40
UDP_SEGMENT, UDP_GRO = 103, 104
GSO_TCP, GSO_UDP = (1, 4), (5,)  # in octet 1 of the virtio header
VIRTIO_BYTES = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that waits for an answer."""

    name: str
    arguments: tuple[int, ...]
    thread: int

    def memory(self, address: int, count: int) -> bytes:
        """What the caller has there."""
        with Path(f"/proc/{self.thread}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(count)


Wanted = Callable[[Call], bool]


def makes_tun_with_header(call: Call) -> bool:
    """TUNSETIFF with IFF_VNET_HDR."""
    if call.name != "ioctl" or call.arguments[1] != TUNSETIFF:
        return False
    (flags,) = struct.unpack("16xH", call.memory(call.arguments[2], 18))
    return bool(flags & IFF_VNET_HDR)


def asks_for(kinds: int) -> Wanted:
    """TUNSETOFFLOAD with one of these kinds."""
    return lambda call: call.name == "ioctl" and call.arguments[1] == TUNSETOFFLOAD and bool(call.arguments[2] & kinds)


def sets(option: int) -> Wanted:
    """setsockopt of an option of UDP."""
    return lambda call: call.name == "setsockopt" and call.arguments[1:3] == (SOL_UDP, option)


def sends(call: Call) -> bool:
    """sendmmsg of anything."""
    return call.name == "sendmmsg"


def sends_train(call: Call) -> bool:
    """sendmmsg whose first message is a train (UDP_SEGMENT); the kernel too tells errors of the first only."""
    if call.name != "sendmmsg":
        return False
    control, length = struct.unpack("32xQQ", call.memory(call.arguments[1], 48))
    octets = call.memory(control, length) if length else b""
    while len(octets) >= 16:
        size, level, kind = struct.unpack_from("Qii", octets)
        if (level, kind) == (SOL_UDP, UDP_SEGMENT):
            return True
        octets = octets[size + -size % 8 :]
    return False


def writes(call: Call) -> bool:
    """writev of anything, which is to the TUN."""
    return call.name == "writev"


def writes_joined(*kinds: int) -> Wanted:
    """writev to the TUN of packets joined to one of these kinds, by the virtio header in its first part."""

    def wanted(call: Call) -> bool:
        if call.name != "writev":
            return False
        address, length = struct.unpack("QQ", call.memory(call.arguments[1], 16))
        return length == VIRTIO_BYTES and call.memory(address, length)[1] in kinds

    return wanted
