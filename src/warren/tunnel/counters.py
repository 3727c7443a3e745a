"""Counters of a network that never go down, also if peers come and go and engines start again from zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warren._core import PublicKey
from warren.tunnel.status import PeerStatus


@dataclass(frozen=True, slots=True)
class Octets:
    """Received and sent bytes, as wg(8) counts them."""

    rx: int = 0
    tx: int = 0

    def __add__(self, other: Octets) -> Octets:
        return Octets(self.rx + other.rx, self.tx + other.tx)

    def since(self, before: Octets) -> Octets:
        """Return the bytes that were counted after `before`; all of them if the counter was reset."""
        if self.rx < before.rx or self.tx < before.tx:
            return self
        return Octets(self.rx - before.rx, self.tx - before.tx)


class Counters:
    """The bytes that a network's peers have carried since the agent started."""

    def __init__(self) -> None:
        self.total = Octets()
        self._last: dict[PublicKey, Octets] = {}

    def observe(self, peers: Sequence[PeerStatus]) -> None:
        """Add the bytes since the last observation.

        Those between a peer's last observation and its removal are unknown.
        """
        now = {peer.public_key: Octets(peer.rx_bytes, peer.tx_bytes) for peer in peers}
        for key, octets in now.items():
            self.total += octets.since(self._last.get(key, Octets()))
        self._last = now

    def restart(self) -> None:
        """Expect the next observation to come from a new engine, whose counters started from zero."""
        self._last = {}
