"""The desired state of an interface, in the terms of wg(8) and wg-quick(8).

Values are validated when they are created, so every `InterfaceConfig` can be applied. All findings of a value are
reported at once, in one `ConfigError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Literal

from warren._core import PresharedKey, PrivateKey, PublicKey, parse_address
from warren.config.parsers import IPAddress, out_of_range
from warren.errors import ConfigError, Finding, redacted_repr
from warren.reserved_names import INTERFACES
from warren.tunnel.coverage import containing, taking_all

IPNetwork = IPv4Network | IPv6Network
IPInterface = IPv4Interface | IPv6Interface
Table = Literal["auto", "off"] | int

DEFAULT_MTU = 1420  # 1500 less IPv6 (40), UDP (8) and WireGuard's own 32
MTU = range(1280, 0xFFFF + 1)  # RFC 8200 section 5 requires 1280; the length field of IP limits it
PORT = range(0xFFFF + 1)
ENDPOINT_PORT = range(1, PORT.stop)
KEEPALIVE = range(0xFFFF + 1)
MARK = range(0xFFFF_FFFF + 1)
TABLE = range(1, 0xFFFF_FFFF + 1)  # 0 is "unspecified" to the kernel
SYSTEM_TABLES = range(253, 256)  # default, main and local, of rtnetlink(7)

# The names that wg-quick accepts and no program reads as an option: without slash, blank, and the '%' and ':' of the
# kernel. 15 is IFNAMSIZ - 1.
INTERFACE_NAME = re.compile(r"[A-Za-z0-9_=+.][A-Za-z0-9_=+.-]{0,14}")
HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
ENDPOINT_FORM = "expected HOST:PORT or [IPv6]:PORT"
HOST_NAME_CHARACTERS = 253  # RFC 1035 section 2.3.4, as text


def interface_name_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if the kernel or wg-quick rejects `name`, or if it means something else to another program."""
    if meaning := INTERFACES.meaning(name):
        yield Finding("name", f"{name} is reserved for {meaning}", "expected another name")
    elif name.isdecimal():
        problem = f"{redacted_repr(name)} is the number of an interface to ip, systemd and resolvectl"
        yield Finding("name", problem, "expected a name with a letter, such as wg0")
    elif not INTERFACE_NAME.fullmatch(name) or name in {".", ".."}:
        yield Finding(
            "name", f"{redacted_repr(name)} cannot name an interface", "expected 1 to 15 of A-Z a-z 0-9 _ = + . -"
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a peer: an IP address, or a name that is resolved before it is used, and a UDP port."""

    host: str
    port: int
    address: IPAddress | None = field(init=False, repr=False, compare=False)
    """The address; None for a name and for an address with a zone (`%eth0`), as engines know zones by number."""

    def __post_init__(self) -> None:
        # Parsed once: it is asked for in every round of reconciliation.
        object.__setattr__(self, "address", parse_address(self.host))
        if self.address is not None and self.port in ENDPOINT_PORT:
            return
        findings = [*host_findings(self.host), *out_of_range("endpoint", self.port, ENDPOINT_PORT)]
        if findings:
            raise ConfigError(findings)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Return True if `host` needs no resolver."""
        return self.address is not None


def addresses_of(endpoints: Iterable[Endpoint | None]) -> tuple[IPAddress, ...]:
    """Return the addresses among the endpoints, each once."""
    addresses = (endpoint.address for endpoint in endpoints if endpoint is not None)
    return tuple(dict.fromkeys(address for address in addresses if address is not None))


def canonical_address(text: str) -> str | None:
    """Return `text` in the canonical form of an IP address, or None for a name."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def host_findings(host: str) -> Iterator[Finding]:
    """Yield a finding if `host` is neither an address nor a name that DNS can hold."""
    labels = host.removesuffix(".").split(".")
    named = len(host) <= HOST_NAME_CHARACTERS and all(HOST_LABEL.fullmatch(label) for label in labels)
    # RFC 1123 section 2.1: no top-level domain is a number, so this is a mistyped address.
    if canonical_address(host) is None and (not named or labels[-1].isdigit()):
        yield Finding("endpoint", f"{redacted_repr(host)} is neither an address nor a host name", ENDPOINT_FORM)


def parse_endpoint(text: str) -> Endpoint:
    """Parse `192.0.2.1:51820`, `[2001:db8::1]:51820` or `vpn.example.org:51820`. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit()) or bracketed != (":" in host):
        raise ConfigError([Finding("endpoint", f"{redacted_repr(text)} is not an endpoint", ENDPOINT_FORM)])
    host = (canonical_address(host[1:-1]) or host[1:-1]) if bracketed else host  # IPv4 has one form only
    return Endpoint(host, int(port))


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """One peer. `allowed_ips` are routed to it and accepted from it."""

    public_key: PublicKey
    preshared_key: PresharedKey | None = None
    endpoint: Endpoint | None = None
    allowed_ips: tuple[IPNetwork, ...] = ()
    persistent_keepalive_seconds: int = 0
    """0 disables the keepalive."""
    probe: IPAddress | None = None
    """The address inside the tunnel that answers probes of the path; None selects a single address of `allowed_ips`."""

    def __post_init__(self) -> None:
        key = "persistent_keepalive_seconds"
        if findings := [*out_of_range(key, self.persistent_keepalive_seconds, KEEPALIVE)]:
            raise ConfigError(findings)


@dataclass(frozen=True, slots=True)
class InterfaceConfig:
    """One interface with its addresses, routes and peers."""

    name: str
    private_key: PrivateKey
    listen_port: int = 0
    """0 lets the system choose."""
    fwmark: int = 0
    """SO_MARK of the encrypted datagrams; 0 is none."""
    mtu: int = DEFAULT_MTU
    addresses: tuple[IPInterface, ...] = ()
    table: Table = "auto"
    """The table of its routes: the main table ("auto"), none ("off"), or the table of that number."""
    peers: tuple[PeerConfig, ...] = ()
    roamed_to: tuple[IPAddress, ...] = ()
    """Addresses outside the tunnel where peers were observed, besides the endpoints of `peers`."""
    pmtu: bool = False
    """True to find the path MTU of each peer by probes."""
    has_fallback: bool = True
    """False lets traffic leave outside the tunnel when its routes are gone, also after a kill of the engine."""
    policy_prefixes: tuple[IPNetwork, ...] = field(init=False, repr=False, compare=False)
    """The allowed prefixes that need a table of the interface's own, in the order of the peers."""

    def __post_init__(self) -> None:
        if findings := [*self._findings()]:
            raise ConfigError(findings)
        # Determined once: every part of a plan asks for them.
        object.__setattr__(self, "policy_prefixes", self._policy_prefixes())

    def endpoint_addresses(self) -> tuple[IPAddress, ...]:
        """Return the addresses that the interface sends its datagrams to, without those with a zone."""
        return tuple(dict.fromkeys((*addresses_of(peer.endpoint for peer in self.peers), *self.roamed_to)))

    def probe_sources(self) -> tuple[IPAddress, ...]:
        """Return the addresses from which the paths to the peers are probed; none if they are not probed."""
        return tuple(address.ip for address in self.addresses if not address.is_link_local) if self.pmtu else ()

    def _findings(self) -> Iterator[Finding]:
        yield from interface_name_findings(self.name)
        yield from out_of_range("listen_port", self.listen_port, PORT)
        yield from out_of_range("fwmark", self.fwmark, MARK)
        yield from out_of_range("mtu", self.mtu, MTU)
        yield from address_findings(self.addresses)
        if isinstance(self.table, int):
            yield from out_of_range("table", self.table, TABLE)
        prefixes = [prefix for peer in self.peers for prefix in peer.allowed_ips]
        yield from policy_findings(self.fwmark, self.table, prefixes, self.endpoint_addresses())
        yield from peer_findings(self.private_key.public_key(), self.peers)

    def _policy_prefixes(self) -> tuple[IPNetwork, ...]:
        """Return the prefixes for a table of the interface's own.

        With table "auto" they are the default routes, or the prefixes that take their place together, and the prefixes
        that contain the endpoint of a peer. The network of an interface address is none of them: the kernel routes it
        in the main table. A mark that is the number of a system table leaves only that one, so then there are none.
        """
        if self.table != "auto" or self.fwmark in SYSTEM_TABLES:
            return ()
        allowed = [prefix for peer in self.peers for prefix in peer.allowed_ips]
        own = taking_all(allowed).union(containing(self.endpoint_addresses(), allowed))
        own = own.difference(address.network for address in self.addresses)
        return tuple(prefix for prefix in dict.fromkeys(allowed) if prefix in own) if own else ()


def address_findings(addresses: Sequence[IPInterface]) -> Iterator[Finding]:
    """Yield the addresses that an interface cannot have. The key of a finding is `addresses[N]`."""
    known: set[IPInterface] = set()
    for number, address in enumerate(addresses):
        if address in known:
            yield Finding(f"addresses[{number}]", f"{address} is a duplicate", "expected each address once")
        known.add(address)
        if isinstance(address, IPv6Interface) and address.scope_id:
            yield Finding(f"addresses[{number}]", f"{address} names a zone", "expected an address without %zone")


def policy_findings(
    fwmark: int, table: Table, prefixes: Sequence[IPNetwork], endpoints: Sequence[IPAddress]
) -> Iterator[Finding]:
    """Yield a finding with the key `fwmark` if routes that need a table of their own would go into a system table.

    They are default routes, and prefixes that contain one of the `endpoints`.
    """
    if table != "auto" or fwmark not in SYSTEM_TABLES:
        return
    around = containing(endpoints, prefixes)
    inside = next((f"{prefix}, which contains the endpoint {endpoint}" for prefix, endpoint in around.items()), None)
    route = "a default route" if any(prefix.prefixlen == 0 for prefix in prefixes) else inside
    if route is not None:
        problem = f"{fwmark} is the number of a system table, which must not hold {route}"
        yield Finding("fwmark", problem, "expected another mark, or none")


def peer_findings(own: PublicKey | None, peers: Sequence[PeerConfig]) -> Iterator[Finding]:
    """Yield the conflicts between peers. The key of a finding is `peers[N].field`, or `peers[N].allowed_ips[M]`.

    `own` is None while the interface's own key is unknown.
    """
    keys: set[PublicKey] = set()
    owners: dict[IPNetwork, PublicKey] = {}
    for number, peer in enumerate(peers):
        at = f"peers[{number}]"
        if peer.public_key == own:
            yield Finding(f"{at}.public_key", "is this interface's own key", "expected the public key of the peer")
        if peer.public_key in keys:
            yield Finding(f"{at}.public_key", f"{peer.public_key} is a duplicate", "expected one section for each peer")
        keys.add(peer.public_key)
        for position, prefix in enumerate(peer.allowed_ips):
            if owners.setdefault(prefix, peer.public_key) != peer.public_key:
                problem = f"{prefix} already belongs to the peer {owners[prefix]}"
                yield Finding(f"{at}.allowed_ips[{position}]", problem, "expected each prefix at one peer")
