"""Counters of a network that never go down: peers come and go, engines begin at zero again, what was counted stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warren._core import PublicKey
from warren.tunnel.status import PeerStatus


@dataclass(frozen=True, slots=True)
class Octets:
    """Received and sent, as wg(8) counts them."""

    rx: int = 0
    tx: int = 0

    def __add__(self, other: Octets) -> Octets:
        return Octets(self.rx + other.rx, self.tx + other.tx)

    def since(self, before: Octets) -> Octets:
        """What came after `before`; all, if counting began anew."""
        if self.rx < before.rx or self.tx < before.tx:
            return self
        return Octets(self.rx - before.rx, self.tx - before.tx)


class Counters:
    """What a network's peers have carried since the agent started."""

    def __init__(self) -> None:
        self.total = Octets()
        self._last: dict[PublicKey, Octets] = {}

    def observe(self, peers: Sequence[PeerStatus]) -> None:
        """Adds what came since the last look. What a peer carried between that and its removal is not known."""
        now = {peer.public_key: Octets(peer.rx_bytes, peer.tx_bytes) for peer in peers}
        for key, octets in now.items():
            self.total += octets.since(self._last.get(key, Octets()))
        self._last = now

    def restart(self) -> None:
        """The next look is at an engine that began at zero."""
        self._last = {}
