"""Health of all networks: one status of three and one number (H-58 to H-60, X-13).

| a peer                                                     | is        |
|------------------------------------------------------------|-----------|
| with a handshake in the last 180 s                         | healthy   |
| without, and nothing is wanted from it: no keepalive,      | waiting   |
| nothing was sent to it, and its endpoint resolves          |           |
| any other, and every peer of a network that is not up      | unhealthy |

| a network                                                  | is        |
|------------------------------------------------------------|-----------|
| disconnected, failed                                       | unhealthy |
| connecting, degraded                                       | degraded  |
| up, and of its peers that are not waiting none is healthy  | unhealthy |
| up, and fewer than half of these peers are healthy         | degraded  |
| under 50 % of 10 or more handshakes succeeded              | unhealthy |
| under 80 % of 10 or more handshakes succeeded              | degraded  |

The worst row that fits counts, and the worst network counts for the whole; no network at all is healthy.
The number is the share of healthy peers among those that are not waiting, less the loss of their echoes. It is 100 if
there is no such peer, and 0 if the network is not up. Nothing is known of a waiting peer, so it neither improves nor
spoils the health of its network.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from warren.telemetry.conditions import Condition, Severity
from warren.telemetry.sample import Connection, NetworkSample, PeerSample

FRESH_SECONDS = 180  # REJECT_AFTER_TIME (paper, section 6.1): no session lives longer
UP = frozenset((Connection.CONNECTED, Connection.DEGRADED))
MIN_HANDSHAKES = 10  # with fewer, a single failure weighs too much


class Status(enum.StrEnum):
    """The health status, from best to worst."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"

    @property
    def rank(self) -> int:
        """Return the rank; 0 is the best."""
        return tuple(Status).index(self)


class PeerHealth(enum.StrEnum):
    """The health of one peer."""

    HEALTHY = "healthy"
    WAITING = "waiting"
    """There is no session, and nobody wants one."""
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class NetworkHealth:
    """The health of one network. Both numbers are percentages, 0 to 100, with one decimal."""

    name: str
    status: Status
    connection: Connection
    peer_health: float
    handshake_rate: float
    peers: int
    peers_healthy: int
    peers_waiting: int

    @property
    def peers_expected(self) -> int:
        """Return how many peers should be healthy: all that are not waiting."""
        return self.peers - self.peers_waiting


@dataclass(frozen=True, slots=True)
class Health:
    """The health of all networks at `now`."""

    status: Status
    now: float
    networks: tuple[NetworkHealth, ...] = ()
    conditions: tuple[Condition, ...] = ()

    @property
    def score(self) -> float:
        """Return `peer_health` of all networks, weighted by expected peers; a network without any weighs 1 (P-55)."""
        weights = [max(1, network.peers_expected) for network in self.networks]
        weighed = [weight * network.peer_health for weight, network in zip(weights, self.networks, strict=True)]
        return round(sum(weighed) / sum(weights), 1) if weights else 100.0


def assess(samples: Sequence[NetworkSample], now: float, conditions: Iterable[Condition] = ()) -> Health:
    """Return the health of these networks; conditions that the samples show are added to `conditions`."""
    networks = tuple(assess_network(sample, now) for sample in samples)
    all_conditions = (*conditions, *(condition for sample in samples for condition in _conditions(sample)))
    statuses = [network.status for network in networks]
    statuses += [Status.DEGRADED for condition in all_conditions if condition.severity is Severity.DEGRADED]
    return Health(_worst(statuses), now, networks, all_conditions)


def assess_network(sample: NetworkSample, now: float) -> NetworkHealth:
    """Return the health of one network, by the second table above."""
    up = sample.connection in UP
    states = [peer_health(sample, peer, now) for peer in sample.peers]
    healthy = [peer for peer, state in zip(sample.peers, states, strict=True) if state is PeerHealth.HEALTHY]
    waiting = states.count(PeerHealth.WAITING)
    expected = len(states) - waiting
    rate = _handshake_rate(sample)
    statuses = [_by_connection(sample.connection), _by_handshakes(sample, rate)]
    if up:
        statuses.append(_by_peers(len(healthy), expected))
    return NetworkHealth(
        sample.name,
        _worst(statuses),
        sample.connection,
        peer_health=_peer_health(healthy, expected) if up else 0.0,
        handshake_rate=round(rate, 1),
        peers=len(states),
        peers_healthy=len(healthy),
        peers_waiting=waiting,
    )


def handshake_age_seconds(peer: PeerSample, now: float) -> float | None:
    """Return the age of the last handshake, at least 0 if the clock was set back; None if there was none."""
    return None if peer.latest_handshake is None else max(0.0, now - peer.latest_handshake)


def active_peers(sample: NetworkSample, now: float) -> int:
    """Return how many peers of a network are connected."""
    return sum(is_connected(peer, now) for peer in sample.peers) if sample.connection in UP else 0


def is_connected(peer: PeerSample, now: float) -> bool:
    """Return True while a session with the peer can exist."""
    age = handshake_age_seconds(peer, now)
    return age is not None and age < FRESH_SECONDS


def peer_health(network: NetworkSample, peer: PeerSample, now: float) -> PeerHealth:
    """Return the health of one peer of a network, by the first table above."""
    if network.connection not in UP:
        return PeerHealth.UNHEALTHY
    if is_connected(peer, now):
        return PeerHealth.HEALTHY
    return PeerHealth.UNHEALTHY if peer.wanted or peer.pending is not None else PeerHealth.WAITING


def _by_connection(connection: Connection) -> Status:
    match connection:
        case Connection.CONNECTED:
            return Status.HEALTHY
        case Connection.CONNECTING | Connection.DEGRADED:
            return Status.DEGRADED
        case Connection.DISCONNECTED | Connection.FAILED:
            return Status.UNHEALTHY
        case _:
            assert_never(connection)


def _by_peers(healthy: int, expected: int) -> Status:
    if expected and not healthy:
        return Status.UNHEALTHY
    return Status.DEGRADED if 2 * healthy < expected else Status.HEALTHY


def _by_handshakes(sample: NetworkSample, rate: float) -> Status:
    if sample.handshakes_succeeded + sample.handshakes_failed < MIN_HANDSHAKES or rate >= 80:
        return Status.HEALTHY
    return Status.UNHEALTHY if rate < 50 else Status.DEGRADED


def _handshake_rate(sample: NetworkSample) -> float:
    tried = sample.handshakes_succeeded + sample.handshakes_failed
    return 100.0 * sample.handshakes_succeeded / tried if tried else 100.0


def _peer_health(healthy: Sequence[PeerSample], expected: int) -> float:
    reached = sum(1.0 - (peer.loss_rate or 0.0) for peer in healthy)
    return round(100.0 * reached / expected, 1) if expected else 100.0


def _worst(statuses: Iterable[Status]) -> Status:
    return max(statuses, key=lambda status: status.rank, default=Status.HEALTHY)


def _conditions(sample: NetworkSample) -> Iterator[Condition]:
    network = f"network {sample.name}"
    if sample.error is not None:
        yield Condition("network.failed", sample.error).about(network)
    yield from (warning.about(network) for warning in sample.warnings)
    for peer in sample.peers:
        if peer.pending is not None:
            yield Condition("peer.pending", peer.pending).about(f"{network}, peer {peer.name}")
