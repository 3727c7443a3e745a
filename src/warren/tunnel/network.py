"""The configuration of one network of the agent, before names are resolved and prefix owners are chosen.

Values are validated when they are created, as in config.py. Conflicts between networks are in overlap.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from warren._core import PrivateKey, PublicKey
from warren.config.fields import NO_JSON, key_map, option, required, subtable, table_list
from warren.config.parsers import (
    FLAG,
    IP_ADDRESS,
    PATH,
    TEXT,
    IPAddress,
    Parser,
    checked,
    duration_in,
    list_of,
    number_in,
    number_or_text,
    one_or_list,
    out_of_range,
    path_findings,
    text_as,
    unknown_value,
)
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
    addresses_of,
    interface_name_findings,
    parse_endpoint,
    peer_findings,
    policy_findings,
)
from warren.tunnel.exit_policy import ExitNode
from warren.tunnel.netstack_settings import (
    DOMAIN,
    NAME_SERVER,
    NAME_SERVERS,
    ForwardSettings,
    Listener,
    NetstackSettings,
    Protocol,
    ProxySettings,
    listener_findings,
)
from warren.tunnel.wg_values import parse_address, parse_allowed_ip, parse_fwmark, parse_table

ConcreteBackend = Literal["kernel", "userspace", "netstack"]
Backend = Literal["auto"] | ConcreteBackend
Origin = Literal["file", "control"]
ProxyKind = Literal["socks5", "http_proxy", "mixed"]

DEFAULT_INTERFACE = "wg0"
BACKEND_EXPECTED = "expected auto, kernel, userspace or netstack"
DEFAULT_KEEPALIVE_SECONDS = 25  # H-07
NETWORK_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # H-10
RESERVED_NAME = "peers"  # part of a header: [[network.peers]]
PEER_NAME_CHARACTERS = 64


def network_name_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if `name` cannot name a network."""
    if not NETWORK_NAME.fullmatch(name):
        yield Finding("name", f"{name!r} cannot name a network", "expected 1 to 64 of A-Z a-z 0-9 _ -")
    elif name == RESERVED_NAME:
        yield Finding("name", "reserved name", "expected [[network.NAME.peers]], or another name")


def peer_name_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if `name` would not fit on one line of a table, or into a label of metrics."""
    if not (0 < len(name) <= PEER_NAME_CHARACTERS and name.isprintable() and name == name.strip()):
        yield Finding("name", "cannot name a peer", f"expected 1 to {PEER_NAME_CHARACTERS} printable characters")


def parse_backend(text: str) -> Backend:
    """Return a backend. Raises ConfigError."""
    match text:
        case "auto" | "kernel" | "userspace" | "netstack":
            return text
        case _:
            raise unknown_value("backend", text, BACKEND_EXPECTED.removeprefix("expected "))


def _unique_key() -> PublicKey:
    return PrivateKey.generate().public_key()


def _unique_text() -> str:
    return str(_unique_key())


INTERFACE = checked(TEXT, interface_name_findings, "1 to 15 of A-Z a-z 0-9 _ = + . -")
PEER_NAME = checked(TEXT, peer_name_findings, "1 to 64 printable characters")
PUBLIC_KEY = text_as(PublicKey.from_base64, "public key in base64")
ENDPOINT = text_as(parse_endpoint, "HOST:PORT or [IPv6]:PORT")
ADDRESS = text_as(parse_address, "IP or IP/LENGTH")
ALLOWED_IP = text_as(parse_allowed_ip, "IP or IP/LENGTH")
FWMARK = number_or_text(
    number_in(MARK), text_as(parse_fwmark, "off or hexadecimal"), "a number, or text such as `0xca6c`"
)
ROUTING_TABLE: Parser[Table] = number_or_text(
    number_in(TABLE), text_as(parse_table, "auto or off"), "`auto`, `off` or the number of a routing table"
)
BACKEND = text_as(parse_backend, "auto, kernel, userspace or netstack")
PROXY_KINDS: tuple[ProxyKind, ...] = ("socks5", "http_proxy", "mixed")


@dataclass(frozen=True, slots=True)
class NetworkPeer:
    """One peer of a network."""

    name: str = field(metadata=required(PEER_NAME, "Name in tables and metrics, unique in its network.", _unique_text))
    public_key: PublicKey = field(metadata=required(PUBLIC_KEY, "Public key of the peer.", _unique_key))
    preshared_key_path: str | None = option(
        PATH, "File of the preshared key, with the same permissions as the private key's.", default=None
    )
    endpoint: Endpoint | None = option(
        ENDPOINT, "Address of the peer; without it the peer must connect first.", default=None
    )
    allowed_ips: tuple[IPNetwork, ...] = option(
        list_of(ALLOWED_IP), "Prefixes that are routed to the peer and accepted from it.", default=()
    )
    persistent_keepalive_seconds: int = option(
        duration_in(KEEPALIVE),
        "Interval of keepalives; 0 turns them off.",
        default=DEFAULT_KEEPALIVE_SECONDS,
        key="persistent_keepalive_secs",
        json="keepaliveSecs",
    )
    probe: IPAddress | None = option(
        IP_ADDRESS,
        "Address inside the tunnel that is pinged for latency, loss and the path MTU; the agent chooses one if unset.",
        default=None,
    )

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
    private_key_path: str = field(
        metadata=required(
            PATH, "File of the private key: mode 0600, owned by root or the agent's user, not a link.", lambda: "/"
        )
    )
    enabled: bool = option(
        FLAG, "Bring the network up when the agent starts.", default=False, key="enable_wireguard", json=NO_JSON
    )
    interface: str = option(INTERFACE, "Name of the interface, unique among networks.", default=DEFAULT_INTERFACE)
    mtu: int = option(number_in(MTU), "MTU of the interface.", default=DEFAULT_MTU)
    pmtu: bool = option(FLAG, "Find the path MTU of each peer, and route with it.", default=True)
    addresses: tuple[IPInterface, ...] = option(
        one_or_list(ADDRESS), "Addresses of the interface.", default=(), key="address", json="address"
    )
    listen_port: int = option(number_in(PORT), "UDP port; 0 lets the system choose.", default=0)
    dns: tuple[IPAddress, ...] = option(
        list_of(NAME_SERVER),
        "Name servers while the network is up: of the host, or with backend netstack of its proxies and forwards.",
        default=(),
    )
    fwmark: int = option(
        FWMARK,
        "Mark of encrypted packets; with a default route also the number of its table, where 0 is the first free.",
        default=0,
    )
    table: Table = option(
        ROUTING_TABLE,
        "Routing table for the routes of the peers; a default route may not go to the system's own (253 to 255).",
        default="auto",
    )
    backend: Backend = option(
        BACKEND, "Implementation of WireGuard; netstack needs no privilege and no interface.", default="auto"
    )
    exit_node: ExitNode = subtable(ExitNode, "The network's exit node: this host forwards for its peers.")
    dns_rebind_allow: tuple[str, ...] = option(
        list_of(DOMAIN),
        "Domains whose answers may have private addresses from any name server; backend netstack only.",
        default=(),
    )
    dns_routes: Mapping[str, tuple[IPAddress, ...]] = key_map(
        NAME_SERVERS,
        "Name servers in the tunnel for a domain and those below it, and no others for these; backend netstack only.",
        names=None,
        under="dns_routes",
    )
    socks5: ProxySettings = subtable(ProxySettings, "The SOCKS5 proxy of a network; backend netstack only.")
    http_proxy: ProxySettings = subtable(ProxySettings, "The HTTP proxy of a network; backend netstack only.")
    mixed: ProxySettings = subtable(ProxySettings, "A listener for SOCKS5 and HTTP; backend netstack only.")
    forwards: tuple[ForwardSettings, ...] = table_list(
        ForwardSettings, "A forwarded port of a network; backend netstack only."
    )
    netstack: NetstackSettings = subtable(NetstackSettings, "Limits of the network stack; backend netstack only.")
    peers: tuple[NetworkPeer, ...] = ()
    origin: Origin = "file"

    def __post_init__(self) -> None:
        if findings := [*self._findings()]:
            raise ConfigError(findings)

    def endpoint_addresses(self) -> tuple[IPAddress, ...]:
        """Return the endpoints of the peers that are addresses."""
        return addresses_of(peer.endpoint for peer in self.peers)

    def proxies(self) -> Iterator[tuple[ProxyKind, ProxySettings]]:
        """Yield the proxies that listen."""
        each = ((kind, getattr(self, kind)) for kind in PROXY_KINDS)
        yield from ((kind, proxy) for kind, proxy in each if proxy.listen is not None)

    def listeners(self) -> Iterator[tuple[str, Protocol, Listener]]:
        """Yield what listens on this host for programs that use the network: the key, the protocol and the listener."""
        for kind, proxy in self.proxies():
            if proxy.listen is not None:
                yield f"{kind}.listen", "tcp", proxy.listen
        for number, forward in enumerate(self.forwards):
            if forward.listen is not None:
                yield f"forwards[{number}].listen", forward.protocol, forward.listen

    def has_entrance(self) -> bool:
        """Return True if traffic enters or leaves the network without an interface: by a proxy, forward or exit."""
        return any(self.proxies()) or bool(self.forwards) or self.exit_node.enabled

    def netstack_keys(self) -> Iterator[str]:
        """Yield the keys with a value that only backend netstack obeys."""
        yield from (kind for kind, _ in self.proxies())
        values = {"forwards": self.forwards, "dns_routes": self.dns_routes, "dns_rebind_allow": self.dns_rebind_allow}
        yield from (key for key, value in values.items() if value)
        if self.netstack != NetstackSettings():
            yield "netstack"

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
        yield from self._netstack_findings()
        yield from _between(self.peers)

    def _netstack_findings(self) -> Iterator[Finding]:
        """Yield the keys that the configured backend would ignore, and listeners that are there twice."""
        if self.backend in ("kernel", "userspace"):
            for key in self.netstack_keys():
                yield Finding(key, f"backend {self.backend} does not serve it", 'expected backend = "netstack"')
        if self.backend == "netstack" and self.exit_node.dns:
            expected = "expected none: its peers ask port 53 of the network's own addresses"
            yield Finding("exit_node.dns", "backend netstack does not serve it", expected)
        yield from listener_findings(self.listeners())
        ports: dict[tuple[Protocol, int | None], int] = {}
        for number, forward in enumerate(self.forwards):
            owner = ports.setdefault((forward.protocol, forward.tunnel_port), number)
            if owner != number and forward.tunnel_port is not None:
                problem = f"{forward.tunnel_port} is already the port of forwards[{owner}]"
                yield Finding(f"forwards[{number}].tunnel_port", problem, "expected each port of a protocol once")

    def _default_route_findings(self) -> Iterator[Finding]:
        """Yield a finding if a default route would lead the engine's own datagrams into their tunnel."""
        prefixes = [prefix for peer in self.peers for prefix in peer.allowed_ips]
        yield from policy_findings(self.fwmark, self.table, prefixes, self.endpoint_addresses())
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


def prefix_sets(peers: Sequence[NetworkPeer]) -> tuple[int, ...]:
    """Return a number for the allowed IPs of each peer, the same for redundant peers: sets are compared only once."""
    numbers: dict[frozenset[IPNetwork], int] = {}
    return tuple(numbers.setdefault(frozenset(peer.allowed_ips), len(numbers)) for peer in peers)


def _shared_in_part(peers: Sequence[NetworkPeer]) -> Iterator[Finding]:
    """Yield the prefixes of peers that share only some of them: neither peer can replace the other."""
    sets = prefix_sets(peers)
    owners: dict[IPNetwork, int] = {}
    for number, peer in enumerate(peers):
        for position, prefix in enumerate(peer.allowed_ips):
            owner = owners.setdefault(prefix, number)
            if sets[owner] != sets[number]:
                problem = f"{prefix} is also at {peers[owner].name}, whose other prefixes differ"
                expected = "expected the same prefixes at redundant peers, else each prefix at one peer"
                yield Finding(f"peers[{number}].allowed_ips[{position}]", problem, expected)


def no_such_network(name: str, known: Iterable[str]) -> StateError:
    """Return the error for an unknown network, which names the known ones."""
    others = ", ".join(known)
    return StateError(
        f"there is no network {name}, {f'only: {others}' if others else 'nor any other'}", code="network.unknown"
    )
