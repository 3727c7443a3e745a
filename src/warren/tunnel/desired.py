"""The desired interface of a network, from its configuration, keys, resolved endpoints and prefix owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from warren._core import PresharedKey, PrivateKey, PublicKey
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.failover import redundant_groups
from warren.tunnel.network import DEFAULT_KEEPALIVE_SECONDS, NetworkConfig, NetworkPeer


@dataclass(frozen=True, slots=True)
class NetworkKeys:
    """The keys of a network, read from their files."""

    private: PrivateKey
    preshared: Mapping[PublicKey, PresharedKey] = field(default_factory=dict)
    """The preshared key of each peer that has one."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The password of each proxy that has one, by its kind."""


def desired_interface(
    network: NetworkConfig,
    keys: NetworkKeys,
    endpoints: Mapping[PublicKey, Endpoint],
    standing_by: frozenset[PublicKey] = frozenset(),
) -> InterfaceConfig:
    """Return the desired interface of a network. Raises ConfigError.

    A peer whose endpoint is not in `endpoints` keeps the one that it has. A peer that stands by for another has no
    allowed IPs. Redundant peers have a keepalive in any case, so that a peer that stands by keeps its session.
    """
    redundant = {key for group in redundant_groups(network.peers) for key in group.members}
    return InterfaceConfig(
        name=network.interface,
        private_key=keys.private,
        listen_port=network.listen_port,
        fwmark=network.fwmark,
        mtu=network.mtu,
        addresses=network.addresses,
        table=network.table,
        pmtu=network.pmtu,
        peers=tuple(
            PeerConfig(
                peer.public_key,
                preshared_key=keys.preshared.get(peer.public_key),
                endpoint=endpoints.get(peer.public_key),
                allowed_ips=() if peer.public_key in standing_by else peer.allowed_ips,
                persistent_keepalive_seconds=_keepalive(peer, is_redundant=peer.public_key in redundant),
                probe=peer.probe,
            )
            for peer in network.peers
        ),
    )


def _keepalive(peer: NetworkPeer, *, is_redundant: bool) -> int:
    return peer.persistent_keepalive_seconds or (DEFAULT_KEEPALIVE_SECONDS if is_redundant else 0)
