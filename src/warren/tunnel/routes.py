"""The routes and policy rules that follow from allowed IPs.

A default route in the main table would lead the engine's own datagrams into the tunnel that they carry. It goes into a
table of the interface's own, as with wg-quick(8), and two rules lead there: packets without the interface's mark take
a route of the main table if it is more specific than a default route, else the interface's table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warren.tunnel.config import InterfaceConfig, IPNetwork

MAIN_TABLE = 254  # RT_TABLE_MAIN of rtnetlink(7)
FIRST_POLICY_TABLE = 51820  # as wg-quick
MAIN_FIRST, OWN_TABLE_NEXT = 32764, 32765  # priorities: after the rules of other programs, before "main" (32766)
WHOLE_MARK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Route:
    """A route to `destination` into the interface, in the routing table of that number."""

    destination: IPNetwork
    table: int = MAIN_TABLE


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule (ip-rule(8)): packets of IP `version` with or without the mark `fwmark` use `table`.

    The mark, and so the rule, belongs to one interface.
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


def routes_for(config: InterfaceConfig) -> tuple[Route, ...]:
    """Return one route for each allowed prefix, the most specific first: no wider one precedes a narrower one.

    With table "auto", the network of an interface address is left out, as the kernel adds that route with the address,
    and a default route goes into the interface's own table. With "off" there are no routes.
    """
    if config.table == "off":
        return ()
    prefixes = sorted(_allowed_prefixes(config), key=lambda prefix: -prefix.prefixlen)
    if isinstance(config.table, int):
        return tuple(Route(prefix, config.table) for prefix in prefixes)
    own = policy_table(config) or MAIN_TABLE
    connected = {address.network for address in config.addresses}
    wanted = (prefix for prefix in prefixes if prefix not in connected)
    return tuple(Route(prefix, MAIN_TABLE if prefix.prefixlen else own) for prefix in wanted)


def rules_for(config: InterfaceConfig) -> tuple[Rule, ...]:
    """Return two rules for each default route with table "auto", in the order of their evaluation."""
    mark = policy_table(config)
    if mark is None:
        return ()
    versions = sorted({route.destination.version for route in routes_for(config) if route.destination.prefixlen == 0})
    first = (Rule(version, mark, MAIN_TABLE, MAIN_FIRST, suppress_prefix_length=0) for version in versions)
    return (*first, *(Rule(version, mark, mark, OWN_TABLE_NEXT) for version in versions))


def policy_table(config: InterfaceConfig) -> int | None:
    """Return the table of a default route with table "auto", which is also the interface's mark; None without one.

    Without a mark in the configuration it is 51820; the caller may have chosen another one that is free.
    """
    connected = {address.network for address in config.addresses}
    if config.table != "auto" or connected.issuperset(default_routes(config)):
        return None
    return config.fwmark or FIRST_POLICY_TABLE


def default_routes(config: InterfaceConfig) -> tuple[IPNetwork, ...]:
    """Return the allowed prefixes that take all traffic of an IP version, in the order of the peers."""
    return tuple(prefix for prefix in _allowed_prefixes(config) if prefix.prefixlen == 0)


def _allowed_prefixes(config: InterfaceConfig) -> Sequence[IPNetwork]:
    return tuple(dict.fromkeys(prefix for peer in config.peers for prefix in peer.allowed_ips))
