"""The decisions of reconciliation, from successive observations: prefix owners and endpoints."""

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
    """The decisions for one network, from its connection to its end.

    Times are monotonic seconds; `wall` is the same moment of the wall clock.
    """

    def __init__(self, network: NetworkConfig, now: float) -> None:
        self.network = network
        self.resolution = Resolution(network.peers)
        self._failover = Failover(redundant_groups(network.peers), now)
        self._decided: tuple[object, InterfaceConfig] | None = None
        """The last decision, and what it was made of."""

    def change(self, network: NetworkConfig, now: float) -> None:
        """Apply another configuration; what is known of peers that are in both stays."""
        self.network = network
        self.resolution.change(network.peers)
        self._failover.regroup(redundant_groups(network.peers), now)

    def observe(
        self, peers: Sequence[PeerStatus], now: float, wall: float, answered_at: Mapping[PublicKey, float] = NO_ANSWERS
    ) -> None:
        """Take the status of the peers, and the times at which their probes last answered."""
        self.resolution.observe(peers, now, wall)
        self._failover.observe(peers, now, wall, answered_at)

    def take_questions(self, now: float, jitter: float) -> tuple[Question, ...]:
        """Return the names to resolve now.

        To be called before `desired`, as it also settles endpoints that are addresses.
        """
        return self.resolution.take_questions(now, jitter)

    def desired(self, keys: NetworkKeys) -> InterfaceConfig:
        """Return the desired state of the interface at this moment: the same object until it changes.

        Raises ConfigError.
        """
        endpoints, standing_by = self.resolution.endpoints(), self._failover.standing_by()
        inputs = (self.network, keys, endpoints, standing_by)
        if self._decided is None or self._decided[0] != inputs:
            self._decided = inputs, desired_interface(self.network, keys, endpoints, standing_by)
        return self._decided[1]

    def forget_keys(self) -> None:
        """Drop the keys of the last decision from memory (H-77)."""
        self._decided = None

    def standing_by(self) -> frozenset[PublicKey]:
        """Return the redundant peers that have no prefixes now."""
        return self._failover.standing_by()

    def next_deadline(self) -> float | None:
        """Return when a decision may change without an observation; None for never."""
        deadlines = (self.resolution.next_deadline(), self._failover.next_deadline())
        return min((at for at in deadlines if at is not None), default=None)
