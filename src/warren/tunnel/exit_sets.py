"""The exit policy as sets of addresses, in the order in which a packet filter tests them. Pure.

The judgement is that of the network stack (`rust/crates/netstack/src/policy.rs`, decision 0054), with one difference:
behind 64:ff9b:1::/48 the IPv4 address can lie in four places, which no set of prefixes can tell, so all of it is
refused. An IPv6 address with an IPv4 address inside stands in the sets of IPv6 beside the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from warren.config.parsers import IPAddress
from warren.tunnel.address_ranges import Range, Ranges, merged, minus, ranges_of, shared, shifted
from warren.tunnel.config import IPInterface, IPNetwork
from warren.tunnel.exit_policy import ExitEntry, ExitNode
from warren.tunnel.special_addresses import (
    LOCAL_NAT64,
    NAT64,
    NEVER_V4,
    NEVER_V6,
    PRIVATE_V4,
    PRIVATE_V6,
    SIX_TO_FOUR,
)

SMTP = 25
Ports = tuple[int, int]
ByPorts = tuple[tuple[Ports, Ranges], ...]
VERSIONS = (4, 6)
MAX_BROADCAST_LENGTH = 30  # a subnet of two addresses has no directed broadcast (RFC 3021)


@dataclass(frozen=True, slots=True)
class ExitHost:
    """The addresses of this host and of its networks, which change while it runs."""

    own: tuple[IPAddress, ...] = ()
    """Every address of this host, those of its tunnels too."""
    attached: tuple[IPInterface, ...] = ()
    """The addresses of its links with their prefixes, without tunnels."""
    mesh: tuple[IPNetwork, ...] = ()
    """The prefixes of its tunnels' networks."""


@dataclass(frozen=True, slots=True)
class ExitSets:
    """The sets of one version of IP, tested from the first to the last."""

    never: Ranges
    deny: Ranges
    deny_ports: ByPorts
    smtp: Ranges
    """The destinations that TCP port 25 is open to."""
    closed: Ranges
    """Private and attached subnets that are not open."""
    closed_ports: ByPorts
    """Ports that are open within them."""
    routes: Ranges
    has_allow: bool
    allow: Ranges
    allow_ports: ByPorts


def exit_sets(policy: ExitNode, host: ExitHost) -> tuple[ExitSets, ExitSets]:
    """Return the sets of IPv4 and of IPv6."""
    inner = _Version(4, policy, host)
    outer = _Version(6, policy, host)
    four = inner.sets(is_inner=True)
    six = outer.sets(is_inner=False)
    return four, _with_wrapped(six, four, policy)


@dataclass(frozen=True, slots=True)
class _Version:
    version: int
    policy: ExitNode
    host: ExitHost

    def sets(self, *, is_inner: bool) -> ExitSets:
        policy = self.policy
        attached = self._attached()
        closed = self._private() if policy.allow_lan else merged((*self._private(), *attached))
        if policy.allow_lan:
            closed = minus(closed, attached)
        opened = [*self._opening(policy.allow)]
        closed = minus(closed, merged(part for ports, ranges in opened if ports is None for part in ranges))
        native: Ranges = () if is_inner else WRAPPERS
        return ExitSets(
            never=self._never(),
            deny=_whole(self._entries(policy.deny)),
            deny_ports=_by_ports(self._entries(policy.deny)),
            smtp=minus(_naming_port(self._entries(policy.allow), SMTP), native),
            closed=minus(closed, native),
            closed_ports=_grouped((ports, ranges) for ports, ranges in opened if ports is not None),
            routes=ranges_of(self._of(policy.routes)),
            has_allow=bool(policy.allow),
            allow=_whole(self._entries(policy.allow)),
            allow_ports=_by_ports(self._entries(policy.allow)),
        )

    def _of(self, prefixes: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
        return (prefix for prefix in prefixes if prefix.version == self.version)

    def _entries(self, entries: Iterable[ExitEntry]) -> list[ExitEntry]:
        return [entry for entry in entries if entry.prefix.version == self.version]

    def _private(self) -> Ranges:
        return ranges_of(PRIVATE_V4 if self.version == 4 else PRIVATE_V6)

    def _attached(self) -> Ranges:
        return ranges_of(self._of(address.network for address in self.host.attached))

    def _never(self) -> Ranges:
        special: Iterable[IPNetwork] = NEVER_V4 if self.version == 4 else (*NEVER_V6, LOCAL_NAT64)
        own = ((int(address), int(address)) for address in self.host.own if address.version == self.version)
        prefixes = (*special, *self._of(self.host.mesh))
        return merged((*ranges_of(prefixes), *own, *self._broadcasts()))

    def _broadcasts(self) -> Iterator[Range]:
        """Yield the directed broadcasts: all ones, and all zeros as in 4.2BSD (RFC 1812, section 5.3.5.2)."""
        for address in self.host.attached:
            subnet = address.network
            if self.version == 4 == subnet.version and subnet.prefixlen <= MAX_BROADCAST_LENGTH:
                for edge in (int(subnet.network_address), int(subnet.broadcast_address)):
                    yield edge, edge

    def _opening(self, entries: Iterable[ExitEntry]) -> Iterator[tuple[Ports | None, Ranges]]:
        """Yield what entries of `allow` open: an entry opens the subnets that it lies within, and no smaller one."""
        private: tuple[IPNetwork, ...] = PRIVATE_V4 if self.version == 4 else PRIVATE_V6
        attached = [*self._of(address.network for address in self.host.attached)]
        for entry in self._entries(entries):
            if any(_within(entry.prefix, subnet) for subnet in private):
                yield entry.ports, ranges_of((entry.prefix,))
            elif any(_within(entry.prefix, subnet) for subnet in attached):
                smaller = [subnet for subnet in attached if subnet != entry.prefix and _within(subnet, entry.prefix)]
                yield entry.ports, minus(ranges_of((entry.prefix,)), ranges_of(smaller))


def _with_wrapped(six: ExitSets, four: ExitSets, policy: ExitNode) -> ExitSets:
    """Return the sets of IPv6 with those of IPv4 as translators see them; `routes` is about the packet's address."""
    return ExitSets(
        never=merged((*six.never, *_wrap(four.never))),
        deny=merged((*six.deny, *_wrap(four.deny))),
        deny_ports=_grouped((*six.deny_ports, *_wrap_ports(four.deny_ports))),
        smtp=merged((*six.smtp, *_wrap(four.smtp))),
        closed=merged((*six.closed, *_wrap(four.closed))),
        closed_ports=_grouped((*_native(six.closed_ports), *_wrap_ports(four.closed_ports))),
        routes=six.routes,
        has_allow=bool(policy.allow),
        allow=merged((*six.allow, *_wrap(four.allow))),
        allow_ports=_grouped((*six.allow_ports, *_wrap_ports(four.allow_ports))),
    )


WRAPPERS = ranges_of((NAT64, SIX_TO_FOUR))


def _wrap(ranges: Ranges) -> Ranges:
    by_nat64 = shifted(ranges, int(NAT64.network_address), 0)
    return (*by_nat64, *shifted(ranges, int(SIX_TO_FOUR.network_address), 80))


def _wrap_ports(groups: ByPorts) -> Iterator[tuple[Ports, Ranges]]:
    return ((ports, _wrap(ranges)) for ports, ranges in groups)


def _native(groups: ByPorts) -> Iterator[tuple[Ports, Ranges]]:
    return ((ports, minus(ranges, shared(ranges, WRAPPERS))) for ports, ranges in groups)


def _whole(entries: Iterable[ExitEntry]) -> Ranges:
    return ranges_of(entry.prefix for entry in entries if entry.ports is None)


def _by_ports(entries: Iterable[ExitEntry]) -> ByPorts:
    return _grouped((entry.ports, ranges_of((entry.prefix,))) for entry in entries if entry.ports is not None)


def _naming_port(entries: Iterable[ExitEntry], port: int) -> Ranges:
    return ranges_of(entry.prefix for entry in entries if entry.ports and entry.ports[0] <= port <= entry.ports[1])


def _grouped(groups: Iterable[tuple[Ports, Ranges]]) -> ByPorts:
    """Return one group for each range of ports."""
    found: dict[Ports, list[Range]] = {}
    for ports, ranges in groups:
        found.setdefault(ports, []).extend(ranges)
    return tuple((ports, merged(ranges)) for ports, ranges in sorted(found.items()) if ranges)


def _within(inner: IPNetwork, outer: IPNetwork) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)
