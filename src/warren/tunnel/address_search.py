"""The addresses of endpoint names at an interface without an agent (decision 0061).

Names are resolved once, when the interface is configured. Their addresses are then tried as the agent does it, by the
same state machine (resolution.py), whose questions are answered with what the names resolved to. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.plan import InterfaceChange, PeerChange
from warren.tunnel.resolution import Resolution
from warren.tunnel.status import PeerStatus

Addresses = Mapping[Endpoint, tuple[Endpoint, ...]]
"""The addresses of each endpoint name, the best first."""
MAX_INTERVAL_SECONDS = 5.0
"""How often to observe at least, as the agent does."""


def with_addresses(config: InterfaceConfig, addresses: Addresses, peers: Sequence[PeerStatus] = ()) -> InterfaceConfig:
    """Return `config` with one address for each name: where the peer is now, if it is one of them, else the best."""
    present = {peer.public_key: peer.endpoint for peer in peers}

    def addressed(peer: PeerConfig) -> PeerConfig:
        known = addresses.get(peer.endpoint, ()) if peer.endpoint else ()
        if not known:
            return peer
        now = present.get(peer.public_key)
        return replace(peer, endpoint=now if now in known else known[0])

    return replace(config, peers=tuple(map(addressed, config.peers)))


class AddressSearch:
    """The search of one interface. Times are monotonic seconds; `wall` is the same moment of the wall clock."""

    def __init__(self, config: InterfaceConfig, addresses: Addresses, now: float) -> None:
        """Begin when the interface has the addresses of `with_addresses`."""
        peers = [peer for peer in config.peers if peer.endpoint and len(addresses.get(peer.endpoint, ())) > 1]
        self._addresses = addresses
        self._resolution = Resolution(peers)
        self._unanswered = {
            peer.public_key: peer.endpoint for peer in peers if peer.endpoint and peer.persistent_keepalive_seconds
        }
        self.is_needed = bool(peers)
        """False if no peer has more than one address."""
        self._answer(now)

    def observe(self, peers: Sequence[PeerStatus], now: float, wall: float) -> InterfaceChange | None:
        """Take the status of the peers, and return the change of those that are to try another address, or None.

        To be called again after the change, as what was sent before it says nothing about the new address.
        """
        self._resolution.observe(peers, now, wall)
        self._answer(now)
        for peer in peers:
            if peer.latest_handshake is not None:
                self._unanswered.pop(peer.public_key, None)
        present = {peer.public_key: peer.endpoint for peer in peers}
        wanted = self._resolution.endpoints().items()
        # A peer that another program has removed is not added again.
        changes = tuple(PeerChange(key, endpoint=to) for key, to in wanted if present.get(key, to) != to)
        return InterfaceChange(peers=changes) if changes else None

    def _answer(self, now: float) -> None:
        for question in self._resolution.take_questions(now, 0.0):
            self._resolution.answered(question, self._addresses[question.endpoint], now)

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait until the next observation."""
        deadline = self._resolution.next_deadline()
        return MAX_INTERVAL_SECONDS if deadline is None else min(max(deadline - now, 0.0), MAX_INTERVAL_SECONDS)

    def unanswered(self) -> tuple[tuple[Endpoint, tuple[Endpoint, ...]], ...]:
        """Return the names of peers with keepalives that have not answered yet, and the addresses that were tried."""
        tried = self._resolution.tried()
        return tuple((name, tried.get(key, ())) for key, name in self._unanswered.items())

    def is_complete(self) -> bool:
        """Return True once each peer with keepalives has answered, or all of its addresses were tried.

        Without keepalives nothing is sent before there is traffic, so nothing can be learnt.
        """
        return all(len(tried) == len(self._addresses[name]) for name, tried in self.unanswered())
