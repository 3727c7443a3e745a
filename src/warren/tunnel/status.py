"""The observed state of an interface."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from warren._core import DevicePeer, DeviceStatus, PresharedKey, PublicKey
from warren.config.parsers import IPAddress
from warren.tunnel.config import Endpoint, IPInterface, IPNetwork, parse_endpoint
from warren.tunnel.nft_guard import Guard
from warren.tunnel.routes import Fallback, Route, Rule

ENDPOINTS = 1 << 15
"""Parsed endpoints that are kept: a peer has the same one in nearly every observation."""
PathMtuSource = Literal["probed", "route", "unknown"]
PathMtuReason = Literal["no_session", "no_probe_address", "searching", "no_answer", "no_route_mtu"]
SESSION_SECONDS = 180  # REJECT_AFTER_TIME (paper, section 6.1): no session lives longer


@dataclass(frozen=True, slots=True)
class PathMtu:
    """Hold what is known of the path MTU of a peer: the largest packet inside the tunnel that passes whole."""

    source: PathMtuSource
    mtu: int | None = None
    """None if it is unknown: then the MTU of the interface is used."""
    age_seconds: int | None = None
    """The time since it was last confirmed by a probe."""
    reason: PathMtuReason | None = None
    """Why it is unknown."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer, as its engine reports it."""

    public_key: PublicKey
    preshared_key: PresharedKey | None = None
    endpoint: Endpoint | None = None
    """The address that it was last heard from, or that was configured."""
    allowed_ips: tuple[IPNetwork, ...] = ()
    persistent_keepalive_seconds: int = 0
    latest_handshake: float | None = None
    """Seconds since the Unix epoch; None is never."""
    rx_bytes: int = 0
    tx_bytes: int = 0
    probe_address: IPAddress | None = None
    """The configured address that answers probes of the path."""
    path_mtu: PathMtu | None = None
    """None if nothing is done to find it."""

    def handshake_age_seconds(self, now: float) -> float | None:
        """Return the age of the last handshake, at least 0 if the clock was set back; None if there was none."""
        return None if self.latest_handshake is None else max(0.0, now - self.latest_handshake)

    def is_up(self, now: float) -> bool:
        """Return True while a session with the peer can exist. An idle peer is up for 180 s only."""
        age = self.handshake_age_seconds(now)
        return age is not None and age < SESSION_SECONDS


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The network link. `routes` are those that Warren made."""

    up: bool
    mtu: int
    addresses: tuple[IPInterface, ...] = ()
    routes: tuple[Route, ...] = ()
    own_addresses: frozenset[IPInterface] = frozenset()
    """The addresses that Warren added."""
    all_routes: frozenset[Route] = frozenset()
    """All routes into the link, whoever made them."""
    index: int = 0
    """The number by which the kernel knows the link; 0 is unknown."""
    promotes_secondaries: bool = False
    """True if an IPv4 address stays when the primary address of its network is removed."""

    @property
    def destinations(self) -> frozenset[IPNetwork]:
        """Return the destinations of all routes into the link, in any table."""
        return frozenset(route.destination for route in self.all_routes)

    def foreign_addresses(self, configured: Collection[IPInterface]) -> tuple[IPInterface, ...]:
        """Return the addresses that another program added. They are left alone.

        An IPv6 link-local address is the kernel's own (RFC 4862, section 5.3), if Warren did not add it.
        """
        own = self.own_addresses.union(configured)
        return tuple(address for address in self.addresses if address not in own and not _may_be_the_kernels(address))


@dataclass(frozen=True, slots=True)
class InterfaceStatus:
    """One interface. `link` is None if this network namespace has no link of that name."""

    name: str
    public_key: PublicKey | None = None
    listen_port: int = 0
    fwmark: int = 0
    peers: tuple[PeerStatus, ...] = ()
    link: LinkStatus | None = None
    rules: tuple[Rule, ...] = ()
    """The policy rules of its default route that Warren made."""
    fallbacks: tuple[Fallback, ...] = ()
    """The fallbacks of its default routes that Warren made."""
    guards: tuple[Guard, ...] | None = ()
    """The guards of its default routes; None if this kernel has no nf_tables."""
    probe_sources: tuple[IPAddress, ...] | None = ()
    """The own addresses from which paths are probed; None if this engine cannot do that."""
    offloads_off: tuple[tuple[str, str], ...] = ()
    """The offloads that the engine does without, and why."""

    @property
    def is_up(self) -> bool:
        """Return True if packets can pass as far as this host is concerned."""
        return self.link is not None and self.link.up

    def has_same_settings(self, other: InterfaceStatus) -> bool:
        """Return True if both differ in nothing that a plan compares: in counters and handshakes at most."""
        return _settings(self) == _settings(other)


def _settings(status: InterfaceStatus) -> tuple[object, ...]:
    peers = (
        (
            *(peer.public_key, peer.preshared_key, peer.endpoint, peer.allowed_ips, peer.persistent_keepalive_seconds),
            *(peer.probe_address, peer.path_mtu and peer.path_mtu.mtu),
        )
        for peer in status.peers
    )
    own = (status.name, status.public_key, status.listen_port, status.fwmark, status.probe_sources)
    route_mtus = () if status.link is None else tuple(route.mtu for route in status.link.routes)
    return (*own, status.link, route_mtus, status.rules, status.fallbacks, status.guards, *peers)


def _may_be_the_kernels(address: IPInterface) -> bool:
    return address.version == 6 and address.is_link_local


def interface_status(name: str, device: DeviceStatus, link: LinkStatus | None) -> InterfaceStatus:
    """Return the status of an engine, joined with its link."""
    return InterfaceStatus(
        name,
        public_key=device.public_key,
        listen_port=device.listen_port,
        fwmark=device.fwmark,
        peers=tuple(map(peer_status, device.peers)),
        link=link,
        probe_sources=device.probe_sources,
        offloads_off=tuple(device.offloads_off.items()),
    )


@lru_cache(maxsize=ENDPOINTS)
def _parse_endpoint(text: str) -> Endpoint:
    return parse_endpoint(text)


def peer_status(peer: DevicePeer) -> PeerStatus:
    """Return the status of a peer, as an engine reports it."""
    return PeerStatus(
        peer.public_key,
        preshared_key=peer.preshared_key,
        endpoint=None if peer.endpoint is None else _parse_endpoint(peer.endpoint),
        allowed_ips=peer.allowed_ips,
        persistent_keepalive_seconds=peer.persistent_keepalive_seconds,
        latest_handshake=peer.latest_handshake,
        rx_bytes=peer.rx_bytes,
        tx_bytes=peer.tx_bytes,
        probe_address=peer.probe_address,
        path_mtu=_probed_path_mtu(peer),
    )


def _probed_path_mtu(peer: DevicePeer) -> PathMtu | None:
    if peer.path_mtu is not None:
        return PathMtu("probed", peer.path_mtu, peer.path_mtu_age_seconds)
    return None if peer.path_mtu_unknown is None else PathMtu("unknown", reason=peer.path_mtu_unknown)
