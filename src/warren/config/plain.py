"""A network as plain values, by field: what TOML and JSON are written from."""

from __future__ import annotations

from collections.abc import Mapping

from warren.tunnel.network import NetworkConfig, NetworkPeer

Plain = str | int | bool | list[str]
ALWAYS = ("private_key_path", "enabled", "interface")
"""Fields of a network that are written even where they are the default: what a reader looks for first."""


def network_values(network: NetworkConfig, *, whole: bool) -> dict[str, Plain]:
    """The fields of a network without its peers, in the order of the document; `whole`: defaults too."""
    values = _network_values(network)
    if whole:
        return values
    defaults = _network_values(NetworkConfig(network.name, network.private_key_path))
    return {field: value for field, value in values.items() if field in ALWAYS or value != defaults[field]}


def _network_values(network: NetworkConfig) -> dict[str, Plain]:
    return {
        "enabled": network.enabled,
        "interface": network.interface,
        "mtu": network.mtu,
        "private_key_path": network.private_key_path,
        "addresses": [str(address) for address in network.addresses],
        "listen_port": network.listen_port,
        "dns": [str(address) for address in network.dns],
        "fwmark": network.fwmark,
        "table": network.table,
        "backend": network.backend,
    }


def peer_values(peer: NetworkPeer, *, whole: bool) -> dict[str, Plain]:
    """The fields of a peer; `whole`: defaults too."""
    values: Mapping[str, Plain | None] = {
        "name": peer.name,
        "public_key": str(peer.public_key),
        "preshared_key_path": peer.preshared_key_path,
        "endpoint": None if peer.endpoint is None else str(peer.endpoint),
        "allowed_ips": [str(prefix) for prefix in peer.allowed_ips] or ([] if whole else None),
        "persistent_keepalive_seconds": peer.persistent_keepalive_seconds,
        "probe": None if peer.probe is None else str(peer.probe),
    }
    return {field: value for field, value in values.items() if value is not None}
