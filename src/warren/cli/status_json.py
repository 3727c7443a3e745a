"""The JSON of `warren status`. Existing members keep their names and meanings."""

from __future__ import annotations

from dataclasses import asdict

from warren.tunnel.io.observe import Survey
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus


def as_object(result: Survey, now: float) -> dict[str, object]:
    """Return all interfaces. Times are seconds since the Unix epoch, sizes octets; null is "none" or "never"."""
    return {
        "interfaces": [interface_object(interface, now) for interface in result.interfaces],
        "failures": [
            {"name": name, "code": error.code, "problem": str(error), "hint": error.hint}
            for name, error in result.failures.items()
        ],
    }


def interface_object(interface: InterfaceStatus, now: float) -> dict[str, object]:
    """Return one interface, without its private key."""
    return {
        "name": interface.name,
        "up": interface.is_up,
        "public_key": None if interface.public_key is None else str(interface.public_key),
        "listen_port": interface.listen_port or None,
        "fwmark": interface.fwmark or None,
        "offloads_off": dict(interface.offloads_off),
        "link": None if interface.link is None else link_object(interface.link),
        "peers": [peer_object(peer, now) for peer in interface.peers],
    }


def link_object(link: LinkStatus) -> dict[str, object]:
    """Return the network link of an interface."""
    return {
        "up": link.up,
        "mtu": link.mtu,
        "addresses": [str(address) for address in link.addresses],
        "routes": [
            {"destination": str(route.destination), "table": route.table, "mtu": route.mtu} for route in link.routes
        ],
    }


def peer_object(peer: PeerStatus, now: float) -> dict[str, object]:
    """Return one peer, without its preshared key."""
    return {
        "public_key": str(peer.public_key),
        "has_preshared_key": peer.preshared_key is not None,
        "endpoint": None if peer.endpoint is None else str(peer.endpoint),
        "allowed_ips": [str(prefix) for prefix in peer.allowed_ips],
        "up": peer.is_up(now),
        "latest_handshake": peer.latest_handshake,
        "handshake_age_seconds": peer.handshake_age_seconds(now),
        "rx_bytes": peer.rx_bytes,
        "tx_bytes": peer.tx_bytes,
        "persistent_keepalive_seconds": peer.persistent_keepalive_seconds or None,
        "path_mtu": None if peer.path_mtu is None else asdict(peer.path_mtu),
    }
