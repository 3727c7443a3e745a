"""The accounting of one direction of a tunnel: sent by one end, treated by the path, received by the other end.

Sums count octets and drop reasons count datagrams, as an engine does. A difference between sums must be explained by
as many dropped datagrams as can make it up, and no more; without drops the sums must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from soak.path_counters import Toll

# Of a transport message: without a packet, and with one of the greatest MTU that is set.
SHORTEST, LONGEST = 32, 1452


@dataclass(frozen=True, slots=True)
class Ledger:
    """Counters of both ends and the path, read while nothing was in flight."""

    name: str
    tx_bytes: int
    """Sent by the sender for this peer."""
    rx_bytes: int
    """Received by the receiver from this peer."""
    toll: Toll
    send_refused: int | None
    """Datagrams that the sender's kernel did not send; None where the engine does not count them."""
    reasons: Mapping[str, int] | None
    """Datagrams that the receiver dropped, by reason, including copies and corrupted ones; or None."""
    undelivered: int
    """Datagrams that reached the receiver's host and no socket there."""

    @property
    def refused(self) -> int | None:
        """Return the number of datagrams that the receiver dropped."""
        return None if self.reasons is None else sum(self.reasons.values())

    @property
    def originals_refused(self) -> int | None:
        """Return how many unharmed datagrams from the path the receiver reports as dropped."""
        return None if self.refused is None else self.refused + self.undelivered - self.toll.spurious

    def findings(self) -> list[str]:
        """Return the disagreements, as sentences."""
        return [f"{self.name}: {problem}" for problem in self._problems()]

    def _problems(self) -> Iterator[str]:
        if self.toll.arrived != self.toll.accounted:
            yield f"the path took in {self.toll.arrived} and accounts for {self.toll.accounted}"
        unsent = self.tx_bytes - self.toll.arrived.octets
        if not explained(unsent, self.send_refused or 0):
            yield f"{unsent} octets made and not on the path, with {self.send_refused} datagrams refused by the host"
        untaken = self.toll.passed.octets - self.rx_bytes
        originals = self.originals_refused
        if originals is not None and not explained(untaken, originals):
            told = {"undelivered": self.undelivered, "spurious": -self.toll.spurious, **(self.reasons or {})}
            yield f"{untaken} octets off the path and not taken, but {originals} datagrams dropped: {told}"
        # An engine that does not tell may have refused a handshake that crossed another; of data, nothing.
        if originals is None and not 0 <= untaken <= self.toll.handshakes.octets:
            yield f"{untaken} octets off the path and not taken, of {self.toll.handshakes.octets} of handshakes"


def explained(octets: int, datagrams: int) -> bool:
    """Return whether this many datagrams can hold this many octets."""
    return SHORTEST * datagrams <= octets <= LONGEST * datagrams
