"""What a path did with the datagrams of one direction. Every datagram that arrives at it is in exactly one `Count`."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field


@dataclass(slots=True)
class Count:
    """So many datagrams, so many octets of UDP payload."""

    datagrams: int = 0
    octets: int = 0

    def add(self, octets: int) -> None:
        """One more."""
        self.datagrams += 1
        self.octets += octets


@dataclass(slots=True)
class Toll:
    """Cookie replies are apart, as no end counts them for a peer."""

    arrived: Count = field(default_factory=Count)
    passed: Count = field(default_factory=Count)
    """Handed on as they came."""
    lost: Count = field(default_factory=Count)
    """By chance."""
    broken: Count = field(default_factory=Count)
    """Handed on with one bit turned."""
    cut: Count = field(default_factory=Count)
    """While the path was interrupted."""
    stale: Count = field(default_factory=Count)
    """Sent to an address that the path had left."""
    refused: Count = field(default_factory=Count)
    """The path's own kernel would not send it, or nobody was known to send it to."""
    spurious: int = 0
    """Datagrams handed on that no end sent so: copies and broken ones."""
    handshakes: Count = field(default_factory=Count)
    """Of those passed, the initiations and responses."""
    cookies: int = 0

    def copy(self) -> Toll:
        """As it is now."""
        return copy.deepcopy(self)

    @property
    def accounted(self) -> Count:
        """All that is no longer on its way."""
        ways = (self.passed, self.lost, self.broken, self.cut, self.stale, self.refused)
        return Count(sum(way.datagrams for way in ways), sum(way.octets for way in ways))
