"""The routes and policy rules that follow from addresses and allowed IPs.

A route in the main table that covers the endpoint of a peer would lead the engine's own datagrams into the tunnel that
they carry. A default route does so, or two halves of one, and any other prefix that contains an endpoint. Such routes
go into a table of the interface's own, as wg-quick(8) does with a default route, and rules lead there for packets
without the mark of a tunnel. All other packets still take the most specific route of both tables. For each length of
prefix in the table there are two rules, at a priority that follows from the length, so that the longest comes first:

    not fwmark MARK lookup main  suppress_prefixlength LENGTH        a longer prefix of the main table comes first
    not fwmark MARK lookup TABLE suppress_prefixlength LENGTH - 1    then the table, without its shorter prefixes

Marks that are chosen automatically differ only in bits that the rules do not compare, and wg-quick chooses from the
same marks. So the datagrams of one tunnel never match the rules of another, and two full tunnels never lead into each
other.

The rules lead to a table, not to a link, so each route in it needs a fallback: the kernel removes a route with its
link, and all IPv4 routes of a link with its last address, and then a later table would send the packets in clear. With
the fallback, an unreachable route of the highest metric, they are refused until the route is there again (decision
0041). For that reason all prefixes that together take all traffic are in the own table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from types import MappingProxyType

from warren._core import PublicKey
from warren.tunnel.config import MTU, InterfaceConfig, IPInterface, IPNetwork

MAIN_TABLE = 254  # RT_TABLE_MAIN of rtnetlink(7)
FIRST_POLICY_TABLE = 51820  # as wg-quick
LAST_RULE = 32765  # priority: after the rules of other programs, before "main" (32766)
FORMER_MARK = LAST_RULE - 2 * 128 - 2  # priority: before the rules of the longest prefix
WHOLE_MARK = 0xFFFF_FFFF
TUNNEL_MARKS = range(0xCA00, 0xCB00)
"""The marks of tunnels: 51820 and its neighbours, from which wg-quick chooses too."""
TUNNEL_MASK = 0xFFFF_FF00
"""The bits that all of them have in common."""
ZERO_NETWORK = ip_network("0.0.0.0/8")  # "this network" (RFC 1122, section 3.2.1.3): has no connected route
NO_PATH_MTUS: Mapping[PublicKey, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """A route to `destination` into the interface, in the routing table of that number."""

    destination: IPNetwork
    table: int = MAIN_TABLE
    mtu: int | None = field(default=None, compare=False)
    """The size of the largest packet, in bytes; None for that of the link."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule (ip-rule(8)): packets of IP `version` with or without the mark `fwmark` use `table`.

    The whole mark, and so the rule, belongs to one interface, also where `fwmask` compares a part of it.
    """

    version: int
    fwmark: int
    table: int
    priority: int
    """Lower ones come first."""
    suppress_prefix_length: int | None = None
    """Routes with a prefix of this length or shorter are ignored."""
    invert: bool = True
    """True for packets without the mark."""
    fwmask: int = WHOLE_MARK
    """The bits of the mark that are compared."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """The route by which packets to `destination` are refused if `table` has no other route to it."""

    destination: IPNetwork
    table: int


def routes_for(config: InterfaceConfig, path_mtus: Mapping[PublicKey, int] = NO_PATH_MTUS) -> tuple[Route, ...]:
    """Return one route for each allowed prefix, the most specific first: no wider one precedes a narrower one.

    The routes to a peer have its path MTU, if that is known and smaller than the MTU of the interface.

    With table "auto", the network of an interface address is left out, as the kernel adds that route with the address,
    and the prefixes of `policy_prefixes` go into the interface's own table. With "off" there are no routes.
    """
    if config.table == "off":
        return ()
    prefixes = sorted(_allowed_prefixes(config), key=lambda prefix: -prefix.prefixlen)
    mtus = _route_mtus(config, path_mtus)
    if isinstance(config.table, int):
        return tuple(Route(prefix, config.table, mtus.get(prefix)) for prefix in prefixes)
    connected = {address.network for address in config.addresses}
    own = dict.fromkeys(config.policy_prefixes, policy_table(config) or MAIN_TABLE)
    return tuple(
        Route(prefix, own.get(prefix, MAIN_TABLE), mtus.get(prefix)) for prefix in prefixes if prefix not in connected
    )


def _route_mtus(config: InterfaceConfig, path_mtus: Mapping[PublicKey, int]) -> dict[IPNetwork, int]:
    narrow = ((peer, path_mtus[peer.public_key]) for peer in config.peers if peer.public_key in path_mtus)
    mtus = {
        prefix: max(mtu, MTU.start) if prefix.version == 6 else mtu  # no link of IPv6 has less
        for peer, mtu in narrow
        for prefix in peer.allowed_ips
    }
    return {prefix: mtu for prefix, mtu in mtus.items() if mtu < config.mtu}


def rules_for(config: InterfaceConfig) -> tuple[Rule, ...]:
    """Return the rules that lead to the interface's own table, in the order of their evaluation."""
    mark = policy_table(config)
    if mark is None:
        return ()
    prefixes = config.policy_prefixes
    lengths = {version: {prefix.prefixlen for prefix in prefixes if prefix.version == version} for version in (4, 6)}
    rules = (rule for version in (4, 6) for rule in policy_rules(version, mark, lengths[version]))
    return tuple(sorted(rules, key=lambda rule: (rule.priority, rule.version)))


def policy_rules(version: int, mark: int, lengths: Collection[int]) -> Iterator[Rule]:
    """Yield the rules for prefixes of these lengths in the table `mark`."""
    mask = TUNNEL_MASK if mark in TUNNEL_MARKS else WHOLE_MARK
    for length in lengths:
        priority = LAST_RULE - 2 * length  # so the longest prefix comes first among several tunnels, too
        if length < (32 if version == 4 else 128):  # no route of the main table is longer than that
            yield Rule(version, mark, MAIN_TABLE, priority - 1, suppress_prefix_length=length, fwmask=mask)
        shorter = length - 1 if length else None
        yield Rule(version, mark, mark, priority, suppress_prefix_length=shorter, fwmask=mask)


def former_mark_rules(config: InterfaceConfig, former_mark: int) -> tuple[Rule, ...]:
    """Return the rules that keep datagrams with the engine's former mark out of the tunnel while the mark changes.

    Without a former mark there are none: a rule for the mark 0 would let everything out.
    """
    versions = sorted({rule.version for rule in rules_for(config)}) if former_mark else []
    return tuple(Rule(version, former_mark, MAIN_TABLE, FORMER_MARK, invert=False) for version in versions)


def fallbacks_for(config: InterfaceConfig) -> tuple[Fallback, ...]:
    """Return one fallback for each route in the interface's own table, unless the configuration has none."""
    table = policy_table(config) if config.has_fallback else None
    return () if table is None else tuple(Fallback(prefix, table) for prefix in config.policy_prefixes)


def connected_networks(config: InterfaceConfig) -> tuple[IPNetwork, ...]:
    """Return the networks to which the kernel adds a connected route with an address.

    With another table than "auto", none: whoever deletes the connected routes there wants the main table without them.
    """
    if config.table != "auto":
        return ()
    return tuple(dict.fromkeys(address.network for address in config.addresses if has_connected_route(address)))


def has_connected_route(address: IPInterface) -> bool:
    """Return True if the kernel adds a route to the network of an address."""
    return address.version == 6 or (address.network.prefixlen < 32 and address.ip not in ZERO_NETWORK)


def policy_table(config: InterfaceConfig) -> int | None:
    """Return the table of `policy_prefixes`, which is also the interface's mark; None without such a prefix.

    Without a mark in the configuration it is 51820; the caller may have chosen another one that is free.
    """
    return config.fwmark or FIRST_POLICY_TABLE if config.policy_prefixes else None


def _allowed_prefixes(config: InterfaceConfig) -> Sequence[IPNetwork]:
    return tuple(dict.fromkeys(prefix for peer in config.peers for prefix in peer.allowed_ips))
