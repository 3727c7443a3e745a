"""What the local HTTP says, as values for JSON with the keys of the documents: `/healthz` is document 000's (H-58), and
the rest document 003's (P-41 to P-44). What a document names and is not known here is null.

One `Health` stands behind each: their words and numbers agree (X-13).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network

from warren.localapi.networks import NetworkView
from warren.telemetry.echo import only_address
from warren.telemetry.health import Health, active_peers, handshake_age_seconds, is_connected
from warren.telemetry.sample import Connection, NetworkSample, PeerSample

Document = Mapping[str, object]


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds (X-38)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def healthz(health: Health) -> Document:
    """Document 000's answer; `conditions` is there only if there are any."""
    networks = {
        network.name: {
            "status": network.status,
            "state": network.connection,
            "peerHealth": network.peer_health,
            "handshakeRate": network.handshake_rate,
            "peersTotal": network.peers,
            "peersHealthy": network.peers_healthy,
            "peersWaiting": network.peers_waiting,
        }
        for network in health.networks
    }
    document = {"status": health.status, "timestamp": timestamp(health.now), "networks": networks}
    return document | ({"conditions": _conditions(health)} if health.conditions else {})


def _conditions(health: Health) -> list[Document]:
    return [
        {"name": condition.name, "severity": condition.severity, "message": condition.sentence}
        for condition in health.conditions
    ]


def health(judged: Health, samples: Sequence[NetworkSample]) -> Document:
    """Document 003's answer."""
    return {
        "status": judged.status,
        "mesh": {
            "state": _state(judged),
            "peers_total": sum(len(sample.peers) for sample in samples),
            "peers_connected": sum(active_peers(sample, judged.now) for sample in samples),
            "last_sync": None,
            "revision": None,
            "layer": None,
        },
        "health_score": judged.score,
    }


def _state(judged: Health) -> Connection:
    """What all networks have in common; degraded where they differ."""
    match {network.connection for network in judged.networks}:
        case found if len(found) == 1:
            return found.pop()
        case found:
            return Connection.DEGRADED if found else Connection.DISCONNECTED


def peers(samples: Sequence[NetworkSample], now: float) -> list[Document]:
    """All peers of all networks, in the order of the configuration."""
    return [_peer(sample, peer, now) for sample in samples for peer in sample.peers]


def _peer(network: NetworkSample, peer: PeerSample, now: float) -> Document:
    only = only_address(ip_network(prefix) for prefix in peer.allowed_ips)
    return {
        "node_id": None,
        "name": peer.name,
        "network": network.name,
        "public_key": peer.public_key,
        "endpoint": peer.endpoint,
        "wireguard_ip": None if only is None else str(only),
        "allowed_ips": list(peer.allowed_ips),
        "state": _peer_state(peer, now),
        "last_handshake_seconds": _rounded(handshake_age_seconds(peer, now)),
        "latency_ms": _rounded(peer.latency_seconds, 1000),
        "packet_loss_ratio": peer.loss_rate,
        "bytes_sent": peer.tx_bytes,
        "bytes_received": peer.rx_bytes,
    }


def _rounded(value: float | None, times: int = 1) -> float | None:
    """As many digits as say something: the wire's clocks are no better than microseconds."""
    return None if value is None else round(times * value, 3)


def _peer_state(peer: PeerSample, now: float) -> str:
    if is_connected(peer, now):
        return "connected"
    return "connecting" if peer.wanted else "idle"


def info(views: Sequence[NetworkView], version: str, settings: Document) -> Document:
    """Document 003's answer: of the first network that has an interface key, and below it all of them."""
    shown = [_network(view) for view in views]
    first = next((network for network in shown if network["public_key"]), {})
    return {
        "version": version,
        "node_id": None,
        "cluster_id": None,
        "role": None,
        "interface": first.get("interface"),
        "wireguard_ip": first.get("wireguard_ip"),
        "public_key": first.get("public_key"),
        "networks": shown,
        "config": settings,
    }


def _network(view: NetworkView) -> Document:
    sample = view.sample
    return {
        "name": sample.name,
        "state": view.state,
        "interface": sample.interface,
        "backend": sample.backend,
        "origin": sample.origin,
        "wireguard_ip": next(_addresses(sample), None),
        "addresses": list(sample.addresses),
        "public_key": sample.public_key,
        "listen_port": sample.listen_port,
        "mtu": sample.mtu,
    }


def _addresses(sample: NetworkSample) -> Iterator[str]:
    return (address.partition("/")[0] for address in sample.addresses)
