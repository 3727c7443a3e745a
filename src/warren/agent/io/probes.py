"""Echoes to the peers of all networks, and what they measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from warren._core import PublicKey
from warren.agent.subsystem import Subsystem
from warren.telemetry.conditions import Condition
from warren.telemetry.echo import Figures, only_address
from warren.telemetry.io.echo import Prober, Target
from warren.tunnel.network import NetworkConfig
from warren.tunnel.peer_liveness import SILENCE_SECONDS

MIN_ECHOES = 3  # unanswered before a peer counts as down: two may be lost on a bad path


class Probes:
    """The probed peers of all networks, and the latency and loss of each."""

    def __init__(self, interval_seconds: float) -> None:
        """Begin without targets; each target gets an echo every `interval_seconds`."""
        self.prober = Prober(interval_seconds)
        # With a longer interval, one late echo would make a peer count as down.
        self._prove_liveness = interval_seconds * MIN_ECHOES <= SILENCE_SECONDS
        self._targets: dict[str, dict[PublicKey, Target]] = {}
        self._seen: dict[str, frozenset[PublicKey]] = {}
        """Peers with a handshake: an echo before the first one measures how long that handshake took."""

    def subsystem(self) -> Subsystem:
        """Return the subsystem that sends the echo requests."""
        return Subsystem("probes", self.prober.run, self._conditions)

    def set_targets(self, network: NetworkConfig, standing_by: frozenset[PublicKey]) -> None:
        """Probe the peers of a network that have an address to probe and that packets for it are routed to."""
        peers = ((peer.public_key, peer.probe or only_address(peer.allowed_ips)) for peer in network.peers)
        self._set_targets(
            network.name,
            {
                key: Target(network.interface, address)
                for key, address in peers
                if address is not None and key not in standing_by
            },
        )

    def record_handshakes(self, network: str, peers: Iterable[PublicKey]) -> None:
        """Record that these peers had a handshake. Echoes sent before the first one of a peer do not count."""
        before = self._seen.get(network, frozenset())
        self._seen[network] = before.union(peers)
        targets = self._targets.get(network, {})
        for key in self._seen[network] - before:
            if key in targets:
                self.prober.restart(targets[key])

    def remove_network(self, network: str) -> None:
        """Stop probing a network that goes down."""
        self._seen.pop(network, None)
        self._set_targets(network, {})

    def figures(self, network: str) -> dict[PublicKey, Figures]:
        """Return latency and loss of the peers of a network that have answered an echo."""
        targets, seen = self._targets.get(network, {}), self._seen.get(network, frozenset())
        figures = ((key, self.prober.figures(target)) for key, target in targets.items() if key in seen)
        return {key: measured for key, measured in figures if measured is not None}

    def answered_at(self, network: str) -> Mapping[PublicKey, float]:
        """Return when peers last answered, in monotonic seconds; empty if echoes are too rare to judge a peer by."""
        if not self._prove_liveness:
            return {}
        return {key: figures.answered_at for key, figures in self.figures(network).items()}

    def _conditions(self) -> Iterator[Condition]:
        if self.prober.unavailable is not None:
            yield Condition("echo.unavailable", self.prober.unavailable)

    def _set_targets(self, network: str, targets: dict[PublicKey, Target]) -> None:
        if self._targets.get(network, {}) == targets:
            return
        self._targets[network] = targets
        self.prober.set_targets(target for by_peer in self._targets.values() for target in by_peer.values())
