"""Read the outcomes and addresses that a network stack writes on the descriptors that it gives to Python. Pure.

A dialled stream begins with two bytes, its outcome, and after `CONNECTED` it is the connection's. An accepted
connection comes with the address of its far end.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from warren.config.parsers import IPAddress
from warren.errors import EngineError

OUTCOME_BYTES = 2
IPV4 = 4
ADDRESS = struct.Struct("!BxH16s")
"""The version of IP, a byte without a meaning, the port, and the address; IPv4 is its first four bytes."""


class Outcome(enum.IntEnum):
    """Tell how a dial ended."""

    CONNECTED = 0
    NO_PEER = 1
    UNREACHABLE = 2
    NETWORK_UNREACHABLE = 3
    PROHIBITED = 4
    REFUSED = 5
    TIMED_OUT = 6
    LIMIT = 7
    CLOSED = 8
    UNKNOWN_NAME = 9


@dataclass(frozen=True, slots=True)
class StackAddress:
    """The far end of a connection."""

    host: IPAddress
    port: int

    @property
    def peername(self) -> tuple[str, int]:
        """Return the address as sockets have it."""
        return str(self.host), self.port


def parse_outcome(octets: bytes) -> Outcome:
    """Return the outcome of a dial; input that ended before it means that the device has ended. Raises EngineError."""
    if len(octets) < OUTCOME_BYTES:
        return Outcome.CLOSED
    number = int.from_bytes(octets, "big")
    try:
        return Outcome(number)
    except ValueError:
        raise EngineError(f"the stack ended a dial by the unknown outcome {number}", code="engine.failed") from None


def parse_address(octets: bytes) -> StackAddress:
    """Return an address. Raises EngineError for another length."""
    if len(octets) != ADDRESS.size:
        raise EngineError(f"the stack wrote an address of {len(octets)} bytes", code="engine.failed")
    version, port, host = ADDRESS.unpack(octets)
    return StackAddress(IPv4Address(host[:4]) if version == IPV4 else IPv6Address(host), port)
