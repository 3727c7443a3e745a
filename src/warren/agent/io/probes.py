"""Echoes to the peers of all networks, and what they measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from warren._core import PublicKey
from warren.telemetry.echo import Figures, only_address
from warren.telemetry.io.echo import Prober, Target
from warren.tunnel.network import NetworkConfig
from warren.tunnel.peer_liveness import SILENCE_SECONDS

LEAST_ECHOES = 3  # unanswered before a peer counts as down: two may be lost on a bad path


class Probes:
    """What is measured of each peer, by network."""

    def __init__(self, interval_seconds: float) -> None:
        self.prober = Prober(interval_seconds)
        # Where echoes come seldom, one that is late would be a peer that is down.
        self._are_evidence = interval_seconds * LEAST_ECHOES <= SILENCE_SECONDS
        self._targets: dict[str, dict[PublicKey, Target]] = {}
        self._met: dict[str, frozenset[PublicKey]] = {}
        """Peers with which there was a handshake: an echo before it measures how long that took."""

    def aim(self, network: NetworkConfig, standing_by: frozenset[PublicKey]) -> None:
        """At those of its peers that have an address to ask, and that packets for it go to."""
        peers = ((peer.public_key, peer.probe or only_address(peer.allowed_ips)) for peer in network.peers)
        self._aim(
            network.name,
            {
                key: Target(network.interface, address)
                for key, address in peers
                if address is not None and key not in standing_by
            },
        )

    def meet(self, network: str, peers: Iterable[PublicKey]) -> None:
        """There was a handshake with these. What was sent before the first of a peer does not count."""
        before = self._met.get(network, frozenset())
        self._met[network] = before.union(peers)
        targets = self._targets.get(network, {})
        for key in self._met[network] - before:
            if key in targets:
                self.prober.restart(targets[key])

    def forget(self, network: str) -> None:
        """It is down."""
        self._met.pop(network, None)
        self._aim(network, {})

    def figures(self, network: str) -> dict[PublicKey, Figures]:
        """Of the peers of a network that have answered yet."""
        targets, met = self._targets.get(network, {}), self._met.get(network, frozenset())
        found = ((key, self.prober.figures(target)) for key, target in targets.items() if key in met)
        return {key: figures for key, figures in found if figures is not None}

    def answered_at(self, network: str) -> Mapping[PublicKey, float]:
        """When peers last answered, in monotonic seconds; none where echoes come too seldom to judge a peer by."""
        if not self._are_evidence:
            return {}
        return {key: figures.answered_at for key, figures in self.figures(network).items()}

    def _aim(self, network: str, targets: dict[PublicKey, Target]) -> None:
        if self._targets.get(network, {}) == targets:
            return
        self._targets[network] = targets
        self.prober.aim(target for each in self._targets.values() for target in each.values())
