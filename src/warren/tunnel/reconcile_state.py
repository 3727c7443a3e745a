"""What successive looks at a network call for: which of redundant peers has the prefixes, and where peers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from warren._core import PublicKey
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.desired import NetworkKeys, desired_interface
from warren.tunnel.failover import NO_ANSWERS, Failover, redundant_groups
from warren.tunnel.network import NetworkConfig
from warren.tunnel.resolution import Question, Resolution
from warren.tunnel.status import PeerStatus


class ReconcileState:
    """One network, from its connection to its end. Times are monotonic seconds; `wall` is the same moment of the wall
    clock.
    """

    def __init__(self, network: NetworkConfig, now: float) -> None:
        self.network = network
        self.resolution = Resolution(network.peers)
        self._failover = Failover(redundant_groups(network.peers), now)

    def change(self, network: NetworkConfig, now: float) -> None:
        """The configuration is another one; what is known of peers that are in both stays."""
        self.network = network
        self.resolution.change(network.peers)
        self._failover.regroup(redundant_groups(network.peers), now)

    def observe(
        self, peers: Sequence[PeerStatus], now: float, wall: float, answered_at: Mapping[PublicKey, float] = NO_ANSWERS
    ) -> None:
        """What the engine says, and when probes last answered."""
        self.resolution.observe(peers, now, wall)
        self._failover.observe(peers, now, wall, answered_at)

    def take_questions(self, now: float, jitter: float) -> tuple[Question, ...]:
        """Names to be resolved now; to be called before `desired`, as it also settles endpoints that are addresses."""
        return self.resolution.take_questions(now, jitter)

    def desired(self, keys: NetworkKeys) -> InterfaceConfig:
        """What the interface should be at this moment. Raises ConfigError."""
        return desired_interface(self.network, keys, self.resolution.endpoints(), self._failover.standing_by())

    def standing_by(self) -> frozenset[PublicKey]:
        """Redundant peers that have no prefixes now."""
        return self._failover.standing_by()

    def next_deadline(self) -> float | None:
        """When something may be due though nothing was observed."""
        deadlines = (self.resolution.next_deadline(), self._failover.next_deadline())
        return min((at for at in deadlines if at is not None), default=None)
