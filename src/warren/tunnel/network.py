"""The configuration of one network of the agent, before names are resolved and prefix owners are chosen.

Values are validated when they are created, as in config.py. Conflicts between networks are in overlap.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from warren._core import PublicKey
from warren.errors import ConfigError, Finding, StateError
from warren.tunnel.config import (
    DEFAULT_MTU,
    KEEPALIVE,
    MARK,
    MTU,
    PORT,
    SYSTEM_TABLES,
    TABLE,
    Endpoint,
    IPInterface,
    IPNetwork,
    PeerConfig,
    Table,
    address_findings,
    interface_name_findings,
    out_of_range,
    peer_findings,
    policy_findings,
)

IPAddress = IPv4Address | IPv6Address
Backend = Literal["auto", "kernel", "userspace"]
Origin = Literal["file", "control"]

DEFAULT_INTERFACE = "wg0"
DEFAULT_KEEPALIVE_SECONDS = 25  # H-07
NETWORK_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # H-10
RESERVED_NAME = "peers"  # part of a header: [[network.peers]]
PEER_NAME_CHARACTERS = 64
PATH_FORM = "expected an absolute path without '..'"


def network_name_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if `name` cannot name a network."""
    if not NETWORK_NAME.fullmatch(name):
        yield Finding("name", f"{name!r} cannot name a network", "expected 1 to 64 of A-Z a-z 0-9 _ -")
    elif name == RESERVED_NAME:
        yield Finding(
            "name", "is reserved for the peers of a network", "expected [[network.NAME.peers]], or another name"
        )


def peer_name_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if `name` would not fit on one line of a table, or into a label of metrics."""
    if not (0 < len(name) <= PEER_NAME_CHARACTERS and name.isprintable() and name == name.strip()):
        yield Finding("name", "cannot name a peer", f"expected 1 to {PEER_NAME_CHARACTERS} printable characters")


def path_findings(path: str) -> Iterator[Finding]:
    """Yield a finding if `path` is relative or leads up.

    The path is not repeated: it may be a key in the wrong place.
    """
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        yield Finding("", "is not a valid path", PATH_FORM)


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
    """The address whose echoes measure latency and loss; None leaves the choice to the agent."""

    def __post_init__(self) -> None:
        key = "persistent_keepalive_seconds"
        findings = [*peer_name_findings(self.name), *out_of_range(key, self.persistent_keepalive_seconds, KEEPALIVE)]
        if self.preshared_key_path is not None:
            findings += _named("preshared_key_path", path_findings(self.preshared_key_path))
        if findings:
            raise ConfigError(findings)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """One network. Peers that share allowed IPs are redundant, and the first is preferred (H-53)."""

    name: str
    private_key_path: str
    enabled: bool = False
    """The key `enable_wireguard`: True if the agent brings the network up when it starts."""
    interface: str = DEFAULT_INTERFACE
    mtu: int = DEFAULT_MTU
    addresses: tuple[IPInterface, ...] = ()
    listen_port: int = 0
    dns: tuple[IPAddress, ...] = ()
    fwmark: int = 0
    table: Table = "auto"
    backend: Backend = "auto"
    peers: tuple[NetworkPeer, ...] = ()
    origin: Origin = "file"

    def __post_init__(self) -> None:
        if findings := [*self._findings()]:
            raise ConfigError(findings)

    def _findings(self) -> Iterator[Finding]:
        yield from network_name_findings(self.name)
        yield from _named("private_key_path", path_findings(self.private_key_path))
        yield from _named("interface", interface_name_findings(self.interface))
        yield from out_of_range("mtu", self.mtu, MTU)
        yield from address_findings(self.addresses)
        yield from out_of_range("listen_port", self.listen_port, PORT)
        yield from out_of_range("fwmark", self.fwmark, MARK)
        if isinstance(self.table, int):
            yield from out_of_range("table", self.table, TABLE)
        yield from self._default_route_findings()
        yield from _between(self.peers)

    def _default_route_findings(self) -> Iterator[Finding]:
        """Yield a finding if a default route would lead the engine's own datagrams into their tunnel."""
        prefixes = [prefix for peer in self.peers for prefix in peer.allowed_ips]
        yield from policy_findings(self.fwmark, self.table, prefixes)
        if self.table in SYSTEM_TABLES and any(prefix.prefixlen == 0 for prefix in prefixes):
            problem = (
                f"{self.table} is a system table: a default route there leads the tunnel's packets into the tunnel"
            )
            yield Finding("table", problem, "expected auto, or a table that your own policy rules use")


def _named(key: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    return (replace(finding, key=key) for finding in findings)


def _between(peers: Sequence[NetworkPeer]) -> Iterator[Finding]:
    """Yield the conflicts between peers of one network; the same prefixes at several peers are none (H-53)."""
    yield from peer_findings(None, [PeerConfig(peer.public_key) for peer in peers])
    names: set[str] = set()
    for number, peer in enumerate(peers):
        if peer.name in names:
            yield Finding(f"peers[{number}].name", f"{peer.name!r} is a duplicate", "expected a name for each peer")
        names.add(peer.name)
    yield from _shared_in_part(peers)


def _shared_in_part(peers: Sequence[NetworkPeer]) -> Iterator[Finding]:
    """Yield the prefixes of peers that share only some of them: neither peer can replace the other."""
    owners: dict[IPNetwork, NetworkPeer] = {}
    for number, peer in enumerate(peers):
        for position, prefix in enumerate(peer.allowed_ips):
            owner = owners.setdefault(prefix, peer)
            if set(owner.allowed_ips) != set(peer.allowed_ips):
                problem = f"{prefix} is also at {owner.name}, whose other prefixes differ"
                expected = "expected the same prefixes at redundant peers, else each prefix at one peer"
                yield Finding(f"peers[{number}].allowed_ips[{position}]", problem, expected)


def no_such_network(name: str, known: Iterable[str]) -> StateError:
    """Return the error for an unknown network, which names the known ones."""
    others = ", ".join(known)
    return StateError(
        f"there is no network {name}, {f'only: {others}' if others else 'nor any other'}", code="network.unknown"
    )
