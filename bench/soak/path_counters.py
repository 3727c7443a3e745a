"""Counters of one direction of a path. Every datagram that arrives is in exactly one `Count`."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field


@dataclass(slots=True)
class Count:
    """A number of datagrams and their octets of UDP payload."""

    datagrams: int = 0
    octets: int = 0

    def add(self, octets: int) -> None:
        """Add one datagram."""
        self.datagrams += 1
        self.octets += octets


@dataclass(slots=True)
class Toll:
    """All counters of one direction. Cookie replies are separate, since no end counts them for a peer."""

    arrived: Count = field(default_factory=Count)
    passed: Count = field(default_factory=Count)
    """Forwarded unchanged."""
    lost: Count = field(default_factory=Count)
    """Dropped at random."""
    broken: Count = field(default_factory=Count)
    """Forwarded with one bit flipped."""
    cut: Count = field(default_factory=Count)
    """Dropped while the path was interrupted."""
    stale: Count = field(default_factory=Count)
    """Dropped because they were sent to an address that the path had left."""
    refused: Count = field(default_factory=Count)
    """Dropped because the path's kernel did not send them, or no destination was known."""
    spurious: int = 0
    """Forwarded datagrams that no end sent in this form: copies and corrupted ones."""
    handshakes: Count = field(default_factory=Count)
    """Handshake initiations and responses among those passed."""
    cookies: int = 0

    def copy(self) -> Toll:
        """Return a copy of the current counters."""
        return copy.deepcopy(self)

    @property
    def accounted(self) -> Count:
        """Return everything that is no longer in flight."""
        ways = (self.passed, self.lost, self.broken, self.cut, self.stale, self.refused)
        return Count(sum(way.datagrams for way in ways), sum(way.octets for way in ways))
