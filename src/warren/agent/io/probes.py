"""Send ICMP echo requests to the peers of all networks, and keep what they measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from warren._core import PublicKey
from warren.agent.subsystem import Subsystem
from warren.telemetry.conditions import Condition
from warren.telemetry.echo import Figures, only_address
from warren.telemetry.io.echo import Prober, Target
from warren.tunnel.network import NetworkConfig
from warren.tunnel.peer_liveness import SILENCE_SECONDS

MIN_UNANSWERED = 3  # echoes, before a peer counts as down: two may be lost on a bad path


class Probes:
    """Measure the latency and loss of each peer, by network."""

    def __init__(self, interval_seconds: float) -> None:
        self.prober = Prober(interval_seconds)
        # With a long interval, one late echo would make a peer count as down.
        self._are_evidence = interval_seconds * MIN_UNANSWERED <= SILENCE_SECONDS
        self._targets: dict[str, dict[PublicKey, Target]] = {}
        self._met: dict[str, frozenset[PublicKey]] = {}
        """Peers that have had a handshake: an echo sent before it would measure the handshake."""

    def subsystem(self) -> Subsystem:
        """Return the subsystem that sends the echo requests."""
        return Subsystem("probes", self.prober.run, self._conditions)

    def aim(self, network: NetworkConfig, standing_by: frozenset[PublicKey]) -> None:
        """Probe the peers of a network that have an address to probe, except those on standby."""
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
        """Note handshakes with peers. Echoes sent before the first handshake of a peer do not count."""
        before = self._met.get(network, frozenset())
        self._met[network] = before.union(peers)
        targets = self._targets.get(network, {})
        for key in self._met[network] - before:
            if key in targets:
                self.prober.restart(targets[key])

    def forget(self, network: str) -> None:
        """Stop probing a network that is down."""
        self._met.pop(network, None)
        self._aim(network, {})

    def figures(self, network: str) -> dict[PublicKey, Figures]:
        """Return the measurements of the peers of a network that have answered."""
        targets, met = self._targets.get(network, {}), self._met.get(network, frozenset())
        found = ((key, self.prober.figures(target)) for key, target in targets.items() if key in met)
        return {key: figures for key, figures in found if figures is not None}

    def answered_at(self, network: str) -> Mapping[PublicKey, float]:
        """Return when peers last answered, in monotonic seconds; empty if the interval is too long for that."""
        if not self._are_evidence:
            return {}
        return {key: figures.answered_at for key, figures in self.figures(network).items()}

    def _conditions(self) -> Iterator[Condition]:
        if self.prober.unavailable is not None:
            yield Condition("echo.unavailable", self.prober.unavailable)

    def _aim(self, network: str, targets: dict[PublicKey, Target]) -> None:
        if self._targets.get(network, {}) == targets:
            return
        self._targets[network] = targets
        self.prober.aim(target for each in self._targets.values() for target in each.values())
