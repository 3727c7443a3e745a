"""One direction of a tunnel in balance: what one end made, what the path did with it, what the other end took.

Sums are of octets, reasons of datagrams, since an engine counts so. A sum that differs must have reasons, as many as
can make up the difference and no more; without a reason it must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from soak.path_counters import Toll

# Of a transport message: without a packet, and with one of the greatest MTU that is set.
SHORTEST, LONGEST = 32, 1452


@dataclass(frozen=True, slots=True)
class Ledger:
    """Taken while nothing was on its way."""

    name: str
    tx_bytes: int
    """Made by the sender for this peer."""
    rx_bytes: int
    """Taken by the receiver from this peer."""
    toll: Toll
    send_refused: int | None
    """Datagrams that the sender's kernel would not send; None where the engine does not tell."""
    reasons: Mapping[str, int] | None
    """Datagrams that the receiver dropped, by the reason that it names, copies and broken ones among them; or None."""
    undelivered: int
    """Datagrams that reached the receiver's host and no socket there."""

    @property
    def refused(self) -> int | None:
        """Datagrams that the receiver dropped."""
        return None if self.reasons is None else sum(self.reasons.values())

    @property
    def originals_refused(self) -> int | None:
        """Of the datagrams that the path handed on unharmed, how many the receiver says it did not take."""
        return None if self.refused is None else self.refused + self.undelivered - self.toll.spurious

    def findings(self) -> list[str]:
        """Where they disagree."""
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
    """Whether so many datagrams can be so many octets."""
    return SHORTEST * datagrams <= octets <= LONGEST * datagrams
