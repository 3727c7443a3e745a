"""Show health and networks on the local HTTP, with the keys that the compatible interfaces define.

1. `/healthz` is that of the harmony-agent interface (H-58), the others are those of the Privateer interface (P-41 to
   P-44). A key that an interface defines and that has no value here is null.
2. All are rendered from one `Health`, so that their states and numbers agree (X-13).
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
    """Return a time as in RFC 3339, in UTC with whole seconds (X-38)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def healthz(health: Health) -> Document:
    """Return `/healthz` of the harmony-agent interface; `conditions` is there only if there are any."""
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
    """Return `/health` of the Privateer interface."""
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
    """Return the state that all networks are in, or degraded if they differ."""
    match {network.connection for network in judged.networks}:
        case states if len(states) == 1:
            return states.pop()
        case states:
            return Connection.DEGRADED if states else Connection.DISCONNECTED


def peers(samples: Sequence[NetworkSample], now: float) -> list[Document]:
    """Return all peers of all networks, in the order of the configuration."""
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
    """Round to the precision of the measurement, which is no better than microseconds."""
    return None if value is None else round(times * value, 3)


def _peer_state(peer: PeerSample, now: float) -> str:
    if is_connected(peer, now):
        return "connected"
    return "connecting" if peer.wanted else "idle"


def info(views: Sequence[NetworkView], version: str, settings: Document) -> Document:
    """Return `/info` of the Privateer interface: the first network with an interface key, and a list of all."""
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
