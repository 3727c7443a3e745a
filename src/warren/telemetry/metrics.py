"""The table of all metrics: families made of samples at each scrape (X-15).

The same figures have three sets of names: `warren_*`, and as aliases those of harmony-agent (`harmony_agent_*`,
`wg_*`) and of Privateer (`privateer_*`). A family has labelled points or one without labels, never both. An unknown
value has no point, and a family without points is left out.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from warren.telemetry.health import Health, PeerHealth, Status, active_peers, handshake_age_seconds, peer_health
from warren.telemetry.sample import Connection, NetworkSample, PeerSample
from warren.telemetry.totals import Sums

Labels = tuple[tuple[str, str], ...]


class Kind(enum.StrEnum):
    """The type of a family."""

    COUNTER = "counter"
    """A value that only goes up; the name ends in `_total`."""
    GAUGE = "gauge"
    INFO = "info"
    """Always 1, with the information in the labels; the name ends in `_info`."""
    UNKNOWN = "unknown"
    """A counter whose name, which an interface fixes, lacks `_total`: OpenMetrics has no other type for it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value."""

    value: float
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Family:
    """All points of one name."""

    name: str
    kind: Kind
    help: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Scrape:
    """The input of all metrics at one moment."""

    samples: tuple[NetworkSample, ...]
    sums: Sums
    health: Health
    version: str
    rejected_requests: int = 0
    """On the control socket, since the agent started."""

    @property
    def now(self) -> float:
        """Return the time of the scrape in seconds since the Unix epoch."""
        return self.health.now


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    name: str
    kind: Kind
    help: str
    points: Callable[[Scrape], Iterable[Point]]


def families(scrape: Scrape, *, aliases: bool) -> tuple[Family, ...]:
    """Return every family that has a point; with `aliases` also under the names of harmony-agent and Privateer."""
    rows = (*WARREN, *HARMONY_AGENT, *PRIVATEER) if aliases else WARREN
    made = (Family(row.name, row.kind, row.help, tuple(row.points(scrape))) for row in rows)
    return tuple(family for family in made if family.points)


def _unlabelled(value: Callable[[Scrape], float]) -> Callable[[Scrape], Iterable[Point]]:
    return lambda scrape: [Point(value(scrape))]


def _per_network(value: Callable[[NetworkSample, float], float | None]) -> Callable[[Scrape], Iterable[Point]]:
    def points(scrape: Scrape) -> Iterator[Point]:
        for network in scrape.samples:
            if (result := value(network, scrape.now)) is not None:
                yield Point(result, (("network", network.name),))

    return points


def _per_peer(value: Callable[[PeerSample, float], float | None]) -> Callable[[Scrape], Iterable[Point]]:
    def points(scrape: Scrape) -> Iterator[Point]:
        for network in scrape.samples:
            for label, peer in peer_labels(network):
                if (result := value(peer, scrape.now)) is not None:
                    yield Point(result, (("network", network.name), ("peer", label)))

    return points


def peer_labels(network: NetworkSample) -> Iterator[tuple[str, PeerSample]]:
    """Yield each peer with its label: its name, or its public key if the name is missing or shared."""
    names = Counter(peer.name for peer in network.peers)
    for peer in network.peers:
        yield (peer.name if peer.name and names[peer.name] == 1 else peer.public_key), peer


def _version(scrape: Scrape) -> Iterable[Point]:
    return [Point(1, (("version", scrape.version),))]


def _conditions(scrape: Scrape) -> Iterable[Point]:
    counted = Counter((condition.name, str(condition.severity)) for condition in scrape.health.conditions)
    return [Point(count, (("condition", name), ("severity", severity))) for (name, severity), count in counted.items()]


def _network_status(scrape: Scrape) -> Iterator[Point]:
    for network in scrape.health.networks:
        for status in Status:
            yield Point(network.status is status, (("network", network.name), ("status", status)))


def _network_connection(scrape: Scrape) -> Iterator[Point]:
    for network in scrape.samples:
        for connection in Connection:
            labels = (("network", network.name), ("state", connection.value))
            yield Point(network.connection is connection, labels)


def _network_peers(scrape: Scrape) -> Iterator[Point]:
    for network in scrape.samples:
        states = Counter(peer_health(network, peer, scrape.now) for peer in network.peers)
        for health in PeerHealth:
            yield Point(states[health], (("network", network.name), ("health", health)))


def _peer_health(scrape: Scrape) -> Iterator[Point]:
    for network in scrape.samples:
        for label, peer in peer_labels(network):
            present = peer_health(network, peer, scrape.now)
            for health in PeerHealth:
                yield Point(present is health, (("network", network.name), ("peer", label), ("health", health)))


def _handshakes(scrape: Scrape) -> Iterator[Point]:
    for network in scrape.samples:
        yield Point(network.handshakes_succeeded, (("network", network.name), ("result", "success")))
        yield Point(network.handshakes_failed, (("network", network.name), ("result", "failure")))


def _uptime(network: NetworkSample, now: float) -> float | None:
    return None if network.connected_since is None else round(max(0.0, now - network.connected_since), 3)


def _longest_uptime(scrape: Scrape) -> float:
    return max((_uptime(network, scrape.now) or 0.0 for network in scrape.samples), default=0.0)


def _connected_peers(scrape: Scrape) -> int:
    return sum(active_peers(network, scrape.now) for network in scrape.samples)


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else 1000 * value


K = Kind
WARREN = (
    Row("warren_info", K.INFO, "Version of the agent", _version),
    Row(
        "warren_health_score",
        K.GAUGE,
        "Share of healthy peers among those that are not waiting, less packet loss, in percent",
        _unlabelled(lambda scrape: scrape.health.score),
    ),
    Row("warren_conditions", K.GAUGE, "Number of active conditions, by name and severity", _conditions),
    Row(
        "warren_control_requests_rejected_total",
        K.COUNTER,
        "Number of requests on the control socket that were malformed, unknown or denied",
        _unlabelled(lambda scrape: scrape.rejected_requests),
    ),
    Row(
        "warren_network_status",
        K.GAUGE,
        "1 for the current health status of the network, 0 for the others",
        _network_status,
    ),
    Row(
        "warren_network_state",
        K.GAUGE,
        "1 for the current connection state of the network, 0 for the others",
        _network_connection,
    ),
    Row("warren_network_uptime_seconds", K.GAUGE, "Seconds since the network was connected", _per_network(_uptime)),
    Row("warren_network_peers", K.GAUGE, "Number of configured peers, by their health", _network_peers),
    Row(
        "warren_network_peers_connected",
        K.GAUGE,
        "Number of peers with a handshake in the last 180 seconds",
        _per_network(active_peers),
    ),
    Row(
        "warren_network_receive_bytes_total",
        K.COUNTER,
        "Bytes received from all peers of the network",
        _per_network(lambda network, _: network.rx_bytes),
    ),
    Row(
        "warren_network_transmit_bytes_total",
        K.COUNTER,
        "Bytes sent to all peers of the network",
        _per_network(lambda network, _: network.tx_bytes),
    ),
    Row("warren_network_handshakes_total", K.COUNTER, "Number of handshakes, by result", _handshakes),
    Row("warren_peer_health", K.GAUGE, "1 for the current health of the peer, 0 for the others", _peer_health),
    Row(
        "warren_peer_last_handshake_timestamp_seconds",
        K.GAUGE,
        "Unix time of the last handshake",
        _per_peer(lambda peer, _: peer.latest_handshake),
    ),
    Row(
        "warren_peer_receive_bytes_total",
        K.COUNTER,
        "Bytes received from the peer",
        _per_peer(lambda peer, _: peer.rx_bytes),
    ),
    Row(
        "warren_peer_transmit_bytes_total",
        K.COUNTER,
        "Bytes sent to the peer",
        _per_peer(lambda peer, _: peer.tx_bytes),
    ),
    Row(
        "warren_peer_latency_seconds",
        K.GAUGE,
        "Round-trip time of the last ICMP echo inside the tunnel",
        _per_peer(lambda peer, _: peer.latency_seconds),
    ),
    Row(
        "warren_peer_loss_ratio",
        K.GAUGE,
        "Share of the last 20 ICMP echoes that were lost, 0 to 1",
        _per_peer(lambda peer, _: peer.loss_rate),
    ),
)

HARMONY_AGENT = (
    Row("harmony_agent_info", K.INFO, "Version of the agent", _version),
    Row(
        "harmony_agent_bytes_transmitted_total",
        K.COUNTER,
        "Bytes sent on all networks",
        _unlabelled(lambda scrape: scrape.sums.tx_bytes),
    ),
    Row(
        "harmony_agent_bytes_received_total",
        K.COUNTER,
        "Bytes received on all networks",
        _unlabelled(lambda scrape: scrape.sums.rx_bytes),
    ),
    Row(
        "harmony_agent_active_peers",
        K.GAUGE,
        "Number of peers with a handshake in the last 180 seconds",
        _unlabelled(_connected_peers),
    ),
    Row(
        "harmony_agent_handshake_success_total",
        K.COUNTER,
        "Number of successful handshakes",
        _unlabelled(lambda scrape: scrape.sums.handshakes_succeeded),
    ),
    Row(
        "harmony_agent_handshake_failure_total",
        K.COUNTER,
        "Number of failed handshakes",
        _unlabelled(lambda scrape: scrape.sums.handshakes_failed),
    ),
    Row(
        "harmony_agent_connection_uptime_seconds",
        K.GAUGE,
        "Uptime in seconds of the network that has been connected longest",
        _unlabelled(_longest_uptime),
    ),
    Row(
        "harmony_agent_peer_latency_milliseconds",
        K.GAUGE,
        "Round-trip time of the last ICMP echo inside the tunnel",
        _per_peer(lambda peer, _: _milliseconds(peer.latency_seconds)),
    ),
    Row(
        "harmony_agent_packet_loss_rate",
        K.GAUGE,
        "Share of the last 20 ICMP echoes that were lost, 0 to 1",
        _per_peer(lambda peer, _: peer.loss_rate),
    ),
    Row(
        "wg_network_state",
        K.GAUGE,
        "Connection state: 0 disconnected, 1 connecting, 2 connected, 3 degraded, 4 failed",
        _per_network(lambda network, _: tuple(Connection).index(network.connection)),
    ),
    Row(
        "wg_bytes_transmitted",
        K.UNKNOWN,
        "Bytes sent to all peers of the network",
        _per_network(lambda network, _: network.tx_bytes),
    ),
    Row(
        "wg_bytes_received",
        K.UNKNOWN,
        "Bytes received from all peers of the network",
        _per_network(lambda network, _: network.rx_bytes),
    ),
    Row("wg_peers_total", K.GAUGE, "Number of configured peers", _per_network(lambda network, _: len(network.peers))),
    Row(
        "wg_peers_active",
        K.GAUGE,
        "Number of peers with a handshake in the last 180 seconds",
        _per_network(active_peers),
    ),
)

PRIVATEER = (
    Row(
        "privateer_peer_count",
        K.GAUGE,
        "Number of peers with a handshake in the last 180 seconds",
        _unlabelled(_connected_peers),
    ),
    Row(
        "privateer_peer_latency_ms",
        K.GAUGE,
        "Round-trip time of the last ICMP echo inside the tunnel",
        _per_peer(lambda peer, _: _milliseconds(peer.latency_seconds)),
    ),
    Row(
        "privateer_packet_loss_ratio",
        K.GAUGE,
        "Share of the last 20 ICMP echoes that were lost, 0 to 1",
        _per_peer(lambda peer, _: peer.loss_rate),
    ),
    Row("privateer_bytes_sent", K.UNKNOWN, "Bytes sent to the peer", _per_peer(lambda peer, _: peer.tx_bytes)),
    Row(
        "privateer_bytes_received", K.UNKNOWN, "Bytes received from the peer", _per_peer(lambda peer, _: peer.rx_bytes)
    ),
    Row(
        "privateer_last_handshake_seconds",
        K.GAUGE,
        "Seconds since the last handshake",
        _per_peer(handshake_age_seconds),
    ),
)
