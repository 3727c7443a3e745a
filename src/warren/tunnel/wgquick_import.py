"""Conversion between wg-quick(8) files and networks. Keys go into files: the configuration never holds one (H-73)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from warren._core import PresharedKey, PrivateKey
from warren.config.parsers import parse_ip
from warren.config.reader import in_order
from warren.errors import ConfigError, Finding
from warren.tunnel.config import PeerConfig
from warren.tunnel.desired import NetworkKeys, desired_interface
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.wgquick import WgQuickFile


@dataclass(frozen=True, slots=True)
class Imported:
    """A network, and the key files that it names."""

    network: NetworkConfig
    private_key: PrivateKey
    preshared_keys: Mapping[str, PresharedKey]
    """The preshared keys by the path of their file."""


def network_from_wgquick(file: WgQuickFile, name: str, keys: str, source: str = "") -> Imported:
    """Return the network `name` that does what wg-quick would, with its key files in the directory `keys`.

    Raises ConfigError with every setting of the file that a network does not support.
    """
    if findings := in_order(_unsupported(file)):
        raise ConfigError(findings, source=source)
    interface = file.interface
    private_key_path = f"{keys}/{name}.key"
    peers = tuple(
        _network_peer(peer, f"peer-{number}", f"{keys}/{name}") for number, peer in enumerate(interface.peers, 1)
    )
    network = NetworkConfig(
        name=name,
        private_key_path=private_key_path,
        enabled=True,
        interface=interface.name,
        mtu=interface.mtu,
        addresses=interface.addresses,
        listen_port=interface.listen_port,
        dns=tuple(map(parse_ip, file.dns)),
        fwmark=interface.fwmark,
        table=interface.table,
        peers=peers,
    )
    preshared = {
        peer.preshared_key_path: config.preshared_key
        for peer, config in zip(peers, interface.peers, strict=True)
        if peer.preshared_key_path is not None and config.preshared_key is not None
    }
    return Imported(network, interface.private_key, preshared)


def _unsupported(file: WgQuickFile) -> Iterator[Finding]:
    for key in dict.fromkeys(key for key, _ in file.hooks):
        yield Finding(key, "the agent runs no commands", "remove it", file.lines.get(key))
    if file.save_config:
        yield Finding(
            "SaveConfig", "the agent never writes its configuration", "remove it", file.lines.get("SaveConfig")
        )
    for resolver in file.dns:
        try:
            parse_ip(resolver)
        except ConfigError as error:
            problem = f"{error.findings[0].problem}; the agent sets no search domains"
            yield Finding("DNS", problem, "remove it", file.lines.get("DNS"))


def _network_peer(peer: PeerConfig, name: str, keys: str) -> NetworkPeer:
    return NetworkPeer(
        name=name,
        public_key=peer.public_key,
        preshared_key_path=None if peer.preshared_key is None else f"{keys}.{name}.psk",
        endpoint=peer.endpoint,
        allowed_ips=peer.allowed_ips,
        persistent_keepalive_seconds=peer.persistent_keepalive_seconds,
    )


def network_to_wgquick(network: NetworkConfig, keys: NetworkKeys) -> WgQuickFile:
    """Return the file that brings up the same interface. Raises ConfigError for redundant peers: wg-quick has none."""
    endpoints = {peer.public_key: peer.endpoint for peer in network.peers if peer.endpoint is not None}
    interface = desired_interface(network, keys, endpoints)
    unprobed = replace(interface, pmtu=False, peers=tuple(replace(peer, probe=None) for peer in interface.peers))
    return WgQuickFile(unprobed, dns=tuple(map(str, network.dns)))
