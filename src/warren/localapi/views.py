"""Show networks and peers on the control socket. Times are seconds since the Unix epoch; null is "none" or "never"."""

from __future__ import annotations

from dataclasses import asdict

from warren.localapi.networks import NetworkView
from warren.telemetry.health import assess_network, is_connected, peer_health
from warren.telemetry.sample import Connection, NetworkSample, PeerSample

UP = (Connection.CONNECTED, Connection.DEGRADED)


def status(view: NetworkView, now: float) -> dict[str, object]:
    """Return one network with the members that H-34 names. A peer is active while a session with it can exist."""
    sample = view.sample
    health = assess_network(sample, now)
    return {
        "network": sample.name,
        "state": view.state.value,
        "interface": sample.interface,
        "peers": {
            "total": len(sample.peers),
            "active": sum(is_connected(peer, now) for peer in sample.peers) if sample.connection in UP else 0,
            "healthy": health.peers_healthy,
            "waiting": health.peers_waiting,
            "names": [peer.name for peer in sample.peers],
        },
        "traffic": {"tx_bytes": sample.tx_bytes, "rx_bytes": sample.rx_bytes},
    }


def listed(view: NetworkView, now: float) -> dict[str, object]:
    """Return all that is known of one network; `origin` is `file` or `control` (H-32)."""
    sample = view.sample
    health = assess_network(sample, now)
    return {
        **status(view, now),
        "health": health.status.value,
        "connection": sample.connection.value,
        "origin": sample.origin,
        "backend": sample.backend,
        "backend_reason": sample.backend_reason or None,
        "mtu": sample.mtu,
        "listen_port": sample.listen_port or None,
        "fwmark": sample.fwmark or None,
        "public_key": sample.public_key,
        "addresses": list(sample.addresses),
        "connected_since": sample.connected_since,
        "error": sample.error,
        "warnings": [warning.sentence for warning in sample.warnings],
    }


def peer_entries(view: NetworkView, now: float) -> list[dict[str, object]]:
    """Return the peers of a network, in the order of its configuration."""
    return [_peer_entry(view.sample, peer, now) for peer in view.sample.peers]


def _peer_entry(network: NetworkSample, peer: PeerSample, now: float) -> dict[str, object]:
    return {
        "name": peer.name,
        "public_key": peer.public_key,
        "endpoint": peer.endpoint,
        "allowed_ips": list(peer.allowed_ips),
        "active": network.connection in UP and is_connected(peer, now),
        "health": peer_health(network, peer, now).value,
        "pending": peer.pending,
        "tried": list(peer.tried),
        "latest_handshake": peer.latest_handshake,
        "rx_bytes": peer.rx_bytes,
        "tx_bytes": peer.tx_bytes,
        "latency_seconds": peer.latency_seconds,
        "loss_rate": peer.loss_rate,
        "path_mtu": None if peer.path_mtu is None else asdict(peer.path_mtu),
    }
