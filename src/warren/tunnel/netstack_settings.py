"""The tables of a network that only the own network stack serves: proxies, forwards, and the stack itself.

Nothing listens unless it is configured (W-35). What a version does not have is refused by a sentence that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from warren.config.fields import Rejections, Settings, option, required
from warren.config.parsers import (
    IP_ADDRESS,
    PATH,
    TEXT,
    IPAddress,
    Parser,
    Plain,
    checked,
    list_of,
    number_in,
    one_of,
    size_in,
    text_as,
)
from warren.errors import ConfigError, Finding, redacted_repr
from warren.tunnel.config import ENDPOINT_PORT, HOST_LABEL, HOST_NAME_CHARACTERS, Endpoint, IPNetwork, parse_endpoint
from warren.tunnel.wg_values import parse_allowed_ip

Congestion = Literal["bbr", "cubic"]
Filtering = Literal["address", "endpoint-independent", "address-and-port"]
Outside = Literal["refuse", "direct"]
Protocol = Literal["tcp"]

UNIX = "unix:"
LISTENER_FORM = "127.0.0.1:PORT, [::1]:PORT or unix:/PATH"
ENCRYPTED_DNS = ("https://", "tls://")
MEMORY = range(4 << 20, (4 << 30) + 1)  # a pool of free blocks alone may keep 4 MiB
MAX_FLOWS = range(16, 65_536 + 1)
MAX_LOGIN_BYTES = 255  # RFC 1929, section 2: the length of either is one byte
LATER = "expected no such key in this version"
REJECTED_IN_STACK: Rejections = {
    "ecn": ("the own TCP does not use ECN", LATER),
    "hairpinning": ("a mapping is never reached from inside: there is no hairpinning", LATER),
    "threads": ("one packet thread serves one stack", LATER),
    "compression": ("payloads are not compressed, and not padded for that sake", LATER),
    "padding": ("payloads are not compressed, and not padded for that sake", LATER),
}
REJECTED_IN_PROXY: Rejections = {
    "bind": ("the command BIND of SOCKS5 is not supported", LATER),
    "gssapi": ("GSSAPI is not supported as a login of SOCKS5", "expected user and password_path"),
}


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """An address and port of this host to listen on."""

    address: IPAddress
    port: int

    def __str__(self) -> str:
        return str(Endpoint(str(self.address), self.port))


@dataclass(frozen=True, slots=True)
class UnixPath:
    """A Unix socket to listen on, made with mode 0660."""

    path: str

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"


Listener: TypeAlias = TcpAddress | UnixPath


def parse_tcp_address(text: str) -> TcpAddress:
    """Parse `127.0.0.1:1080` or `[::1]:1080`. Raises ConfigError for a name: it may have several addresses."""
    try:
        endpoint = parse_endpoint(text)
    except ConfigError:
        endpoint = None
    if endpoint is None or endpoint.address is None:
        raise ConfigError(
            [Finding("", f"{redacted_repr(text)} is not an address to listen on", f"expected {TCP_FORM}")]
        )
    return TcpAddress(endpoint.address, endpoint.port)


TCP_FORM = "127.0.0.1:PORT or [::1]:PORT"
TCP_ADDRESS = text_as(parse_tcp_address, TCP_FORM)


def _read_listener(value: object, root: str) -> Listener:
    if isinstance(value, str) and value.startswith(UNIX):
        return UnixPath(PATH.read(value.removeprefix(UNIX), root))
    try:
        return TCP_ADDRESS.read(value, root)
    except ConfigError as error:
        finding = error.findings[0]
        raise ConfigError([Finding("", finding.problem, f"expected {LISTENER_FORM}")]) from None


def _write_listener(listener: Listener, root: str) -> Plain:
    return f"{UNIX}{PATH.write(listener.path, root)}" if isinstance(listener, UnixPath) else str(listener)


LISTENER: Parser[Listener] = Parser(LISTENER_FORM, _read_listener, _write_listener)


def parse_name_server(text: str) -> IPAddress:
    """Parse the address of a name server. Raises ConfigError, by a sentence of its own for encrypted DNS."""
    if text.lower().startswith(ENCRYPTED_DNS):
        problem = "DNS over TLS and HTTPS come with a later version"
        raise ConfigError([Finding("", problem, "expected the address of a name server")])
    return IP_ADDRESS.read(text)


def domain_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if `name` is not a domain."""
    if len(name) > HOST_NAME_CHARACTERS or not all(map(HOST_LABEL.fullmatch, name.removesuffix(".").split("."))):
        yield Finding("", f"{redacted_repr(name)} is not a domain", "expected a domain such as corp.example")


NAME_SERVER = text_as(parse_name_server, "IP address")
NAME_SERVERS = list_of(NAME_SERVER)
DOMAIN = checked(TEXT, domain_findings, "domain")
PREFIX = text_as(parse_allowed_ip, "IP or IP/LENGTH")
DESTINATION = text_as(parse_endpoint, "HOST:PORT or [IPv6]:PORT")


def exposed(listener: Listener | None) -> IPAddress | None:
    """Return the address of a listener that others than this host's own programs reach, or None."""
    match listener:
        case TcpAddress(address) if not address.is_loopback:
            return address
        case _:
            return None


def exposure(key: str, address: IPAddress, expected: str) -> Finding:
    """Return the finding for a listener that anybody could use."""
    return Finding(key, f"would let everyone on {address} use the tunnel", expected)


@dataclass(frozen=True, slots=True)
class ProxySettings(Settings):
    """A proxy of one network, off without `listen`."""

    rejected: ClassVar[Rejections] = REJECTED_IN_PROXY

    listen: Listener | None = option(
        LISTENER,
        "Listener of the proxy, off if unset; another address than a loopback one needs a login.",
        default=None,
    )
    user: str | None = option(TEXT, "Login that clients need.", default=None)
    password_path: str | None = option(
        PATH, "File of the password, with the same permissions as the private key's.", default=None
    )
    outside: Outside = option(
        one_of(("refuse", "direct"), "treatment"),
        "Treatment of an address in no peer's allowed IPs: refuse it, or let the host dial it.",
        default="refuse",
    )

    def findings(self) -> Iterator[Finding]:
        """Yield what contradicts itself, and a listener that anybody could use."""
        if self.listen is None and self != ProxySettings():
            yield Finding("listen", "is missing, so that this proxy is off", f"expected {LISTENER_FORM}")
        if self.user is not None and (not 0 < len(self.user.encode()) <= MAX_LOGIN_BYTES or ":" in self.user):
            yield Finding("user", "invalid user", f"expected 1 to {MAX_LOGIN_BYTES} bytes without a colon (RFC 7617)")
        if (self.user is None) != (self.password_path is None):
            missing = "user" if self.user is None else "password_path"
            yield Finding(missing, "is missing: a login is a user and a password", "expected both, or none")
        if (address := exposed(self.listen)) is not None and (self.user is None or self.password_path is None):
            yield exposure("listen", address, f"expected {LISTENER_FORM}, or user and password_path")


@dataclass(frozen=True, slots=True)
class ForwardSettings(Settings):
    """One forwarded port: from this host into the tunnel, or from the tunnel to where this host can connect."""

    to: Endpoint = field(
        metadata=required(
            DESTINATION,
            "Destination: in the tunnel with `listen`, outside of it with `tunnel_port`.",
            lambda: Endpoint("127.0.0.1", 1),
        )
    )
    protocol: Protocol = option(one_of(("tcp",), "protocol"), "Protocol of the port.", default="tcp")
    listen: TcpAddress | None = option(
        TCP_ADDRESS, "Address and port of this host that lead to `to` in the tunnel.", default=None
    )
    tunnel_port: int | None = option(
        number_in(ENDPOINT_PORT), "Port of the network's own addresses that leads to `to` outside.", default=None
    )
    sources: tuple[IPNetwork, ...] = option(
        list_of(PREFIX),
        "Addresses in the tunnel that may use `tunnel_port`; empty is all.",
        default=(),
        key="from",
        json="from",
    )

    def findings(self) -> Iterator[Finding]:
        """Yield what contradicts itself, and a listener that anybody could use."""
        if (self.listen is None) == (self.tunnel_port is None):
            problem = "a forward begins either on this host or in the tunnel"
            yield Finding("", problem, "expected one of listen and tunnel_port")
        if self.sources and self.tunnel_port is None:
            yield Finding("sources", "is for tunnel_port only", "expected tunnel_port, or no from")
        if (address := exposed(self.listen)) is not None:
            yield exposure("listen", address, f"expected {TCP_FORM}")


@dataclass(frozen=True, slots=True)
class NetstackSettings(Settings):
    """[network.NAME.netstack]: the limits of the stack."""

    rejected: ClassVar[Rejections] = REJECTED_IN_STACK

    memory: int = option(size_in(MEMORY), "Memory for the data of all flows.", default=64 << 20)
    max_flows: int = option(number_in(MAX_FLOWS), "Flows at a time; one peer may hold half of them.", default=8192)
    congestion: Congestion = option(
        one_of(("bbr", "cubic"), "algorithm"), "Congestion control of the stack's TCP.", default="bbr"
    )
    udp_filtering: Filtering = option(
        one_of(("address", "endpoint-independent", "address-and-port"), "filtering"),
        "Hosts outside that may answer through a UDP mapping (RFC 4787, section 5).",
        default="address",
    )


def listener_findings(listeners: Iterable[tuple[str, Protocol, Listener]]) -> Iterator[Finding]:
    """Yield each listener that is there already; an item has its key, its protocol and the listener."""
    taken: dict[tuple[Protocol, Listener], str] = {}
    for key, protocol, listener in listeners:
        owner = taken.setdefault((protocol, listener), key)
        if owner != key:
            yield Finding(key, f"{listener} is already the listener of {owner}", "expected each listener once")
