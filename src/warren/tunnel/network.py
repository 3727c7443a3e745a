"""What a network of the agent should be (document 000): an interface as the configuration names it, before its keys
are read, its names are resolved and one of redundant peers is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from warren._core import PublicKey
from warren.tunnel.config import DEFAULT_MTU, Endpoint, IPInterface, IPNetwork, Table

IPAddress = IPv4Address | IPv6Address
Backend = Literal["auto", "kernel", "userspace"]
Origin = Literal["file", "control"]

DEFAULT_KEEPALIVE_SECONDS = 25  # H-07


@dataclass(frozen=True, slots=True)
class NetworkPeer:
    """One peer of a network."""

    name: str
    public_key: PublicKey
    preshared_key_path: str | None = None
    endpoint: Endpoint | None = None
    allowed_ips: tuple[IPNetwork, ...] = ()
    persistent_keepalive_seconds: int = DEFAULT_KEEPALIVE_SECONDS
    probe: IPAddress | None = None
    """Where echoes go that measure latency and loss; None leaves the choice to the agent."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """One network. Peers that share allowed IPs are redundant, the first being preferred (H-53)."""

    name: str
    private_key_path: str
    enabled: bool = False
    """`enable_wireguard`: whether the agent brings it up when it starts."""
    interface: str = "wg0"
    mtu: int = DEFAULT_MTU
    addresses: tuple[IPInterface, ...] = ()
    listen_port: int = 0
    dns: tuple[IPAddress, ...] = ()
    fwmark: int = 0
    table: Table = "auto"
    backend: Backend = "auto"
    peers: tuple[NetworkPeer, ...] = ()
    origin: Origin = "file"
