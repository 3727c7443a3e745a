"""Random impairment of a path: loss, duplication, corruption, delay and jitter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random


class Fate(Enum):
    """The treatment of one datagram."""

    PASSED = "arrives"
    LOST = "does not arrive"
    DOUBLED = "arrives, and a copy of it"
    BROKEN = "arrives with one bit turned"


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares of all datagrams, and seconds. Jitter above the interval between datagrams reorders them."""

    lost: float
    doubled: float
    broken: float
    delay_seconds: float
    jitter_seconds: float

    def fate(self, random: Random) -> Fate:
        """Draw the treatment of the next datagram."""
        drawn = random.random()
        for share, fate in ((self.lost, Fate.LOST), (self.doubled, Fate.DOUBLED), (self.broken, Fate.BROKEN)):
            if drawn < share:
                return fate
            drawn -= share
        return Fate.PASSED

    def delay(self, random: Random) -> float:
        """Return the delay of the next datagram, in seconds."""
        return self.delay_seconds + random.random() * self.jitter_seconds


def broken(datagram: bytes, octets: int, random: Random) -> bytes:
    """Return the datagram with one bit flipped among its first `octets`."""
    bit = random.randrange(8 * octets)
    octet = datagram[bit // 8] ^ 1 << bit % 8
    return datagram[: bit // 8] + bytes([octet]) + datagram[bit // 8 + 1 :]
