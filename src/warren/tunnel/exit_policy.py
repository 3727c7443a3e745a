"""The configuration of an exit node: which destinations it forwards for the peers of its network. Pure.

It is judged in this order, on every backend (`rust/crates/netstack/src/policy.rs`, decision 0054):

1. Addresses of this host, special addresses and metadata services are refused, and no key opens them.
2. `deny` refuses. TCP port 25 is refused unless an entry of `allow` names that port.
3. Private and attached subnets are refused, unless the subnet is attached and `allow_lan` is set, or `allow` names it.
4. A destination outside `routes` is refused.
5. If `allow` has entries, nothing else passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address, ip_network

from warren.config.fields import Settings, option
from warren.config.parsers import FLAG, IP_ADDRESS, IPAddress, list_of, text_as
from warren.errors import ConfigError, Finding, redacted_repr
from warren.tunnel.config import ENDPOINT_PORT, IPNetwork

# Without a zone and without a netmask, both of which the module ipaddress would accept.
PREFIX = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")
PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
ALL_ADDRESSES = (ip_network("0.0.0.0/0"), ip_network("::/0"))

PREFIX_EXPECTED = "expected an address or a prefix such as 192.0.2.0/24 or 2001:db8::/32"
PORTS_EXPECTED = "expected a number from 1 to 65535, or two of them as FIRST-LAST"
BRACKETS_EXPECTED = "expected brackets around an IPv6 prefix with a port: [2001:db8::/32]:443"


@dataclass(frozen=True, slots=True)
class ExitEntry:
    """An entry of `deny` or `allow`: destinations, and for TCP and UDP their ports."""

    prefix: IPNetwork
    ports: tuple[int, int] | None = None
    """The first and the last port; None for all traffic, with and without ports."""

    def __str__(self) -> str:
        if self.ports is None:
            return str(self.prefix)
        first, last = self.ports
        prefix = f"[{self.prefix}]" if isinstance(self.prefix, IPv6Network) else str(self.prefix)
        return f"{prefix}:{first}" if first == last else f"{prefix}:{first}-{last}"


def parse_exit_prefix(text: str) -> IPNetwork:
    """Parse an address or a prefix without host bits. Raises ConfigError."""
    try:
        prefix = ip_network(text, strict=False) if PREFIX.fullmatch(text) else None
    except ValueError:
        prefix = None
    if prefix is None:
        raise _refusal(f"invalid prefix {redacted_repr(text)}", PREFIX_EXPECTED)
    if prefix.network_address != ip_address(text.partition("/")[0]):
        raise _refusal(f"{text} has host bits set", f"expected {prefix}")
    return prefix


def parse_exit_entry(text: str) -> ExitEntry:
    """Parse `PREFIX`, `PREFIX:PORT` or `PREFIX:FIRST-LAST`, with brackets around an IPv6 prefix that a port follows.

    Raises ConfigError.
    """
    prefix, ports = _split_ports(text)
    return ExitEntry(parse_exit_prefix(prefix), None if ports is None else _parse_ports(ports))


def _split_ports(text: str) -> tuple[str, str | None]:
    """Return the prefix and the ports of an entry."""
    if text.startswith("["):
        prefix, bracket, ports = text[1:].partition("]:")
        if not bracket or ":" not in prefix:
            raise _refusal(f"invalid entry {redacted_repr(text)}", BRACKETS_EXPECTED)
        return prefix, ports
    if text.count(":") == 1:
        prefix, _, ports = text.partition(":")
        return prefix, ports
    return text, None


def _parse_ports(text: str) -> tuple[int, int]:
    match = PORTS.fullmatch(text)
    if match is not None:
        first = int(match[1])
        last = int(match[2] or first)
        if first in ENDPOINT_PORT and last in ENDPOINT_PORT and first <= last:
            return first, last
    raise _refusal(f"invalid port {redacted_repr(text)}", PORTS_EXPECTED)


def _refusal(problem: str, expected: str) -> ConfigError:
    return ConfigError([Finding("", problem, expected)])


EXIT_PREFIX = text_as(parse_exit_prefix, "IP or IP/LENGTH")
EXIT_ENTRY = text_as(parse_exit_entry, "PREFIX, PREFIX:PORT or PREFIX:PORT-PORT")


@dataclass(frozen=True, slots=True)
class ExitNode(Settings):
    """The table `exit_node` of a network: this host forwards the traffic of its peers to other networks."""

    enabled: bool = option(FLAG, "Forward traffic of the peers to other networks.", default=False)
    routes: tuple[IPNetwork, ...] = option(
        list_of(EXIT_PREFIX),
        "Destinations that are forwarded, as far as the other keys let them pass.",
        default=ALL_ADDRESSES,
    )
    dns: tuple[IPAddress, ...] = option(
        list_of(IP_ADDRESS), "Name servers that the peers are to use with this exit node.", default=()
    )
    allow_lan: bool = option(FLAG, "Forward to the private subnets that this host is attached to.", default=False)
    allow: tuple[ExitEntry, ...] = option(
        list_of(EXIT_ENTRY),
        "If there is any, nothing else is forwarded; an entry within a private network also opens it, and one with "
        "port 25 opens mail.",
        default=(),
    )
    deny: tuple[ExitEntry, ...] = option(
        list_of(EXIT_ENTRY), "Destinations that are refused, also within `allow` and `routes`.", default=()
    )

    def findings(self) -> Iterator[Finding]:
        """Yield a finding if the exit node is enabled and has no destination."""
        if self.enabled and not self.routes:
            yield Finding("routes", "no destination is forwarded", "expected at least one prefix, or enabled = false")
