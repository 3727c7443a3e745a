"""Which routes and policy rules follow from allowed IPs.

A default route in the main table would lead the engine's own datagrams into the tunnel that they carry. It goes into a
table of the interface's own, as with wg-quick(8), and two rules lead there: what does not carry the interface's mark
takes a route of the main table if there is one more specific than a default route, and the interface's table if not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warren.tunnel.config import InterfaceConfig, IPNetwork

MAIN_TABLE = 254  # RT_TABLE_MAIN of rtnetlink(7)
FIRST_POLICY_TABLE = 51820  # wg-quick's own choice
MAIN_FIRST, OWN_TABLE_NEXT = 32764, 32765  # priorities: behind the rules of others, before "main" (32766)
WHOLE_MARK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Route:
    """Packets to `destination` go into the interface, by the routing table of that number."""

    destination: IPNetwork
    table: int = MAIN_TABLE


@dataclass(frozen=True, slots=True)
class Rule:
    """Packets of IP `version` whose mark is `fwmark`, or is not, look for a route in `table`, as ip-rule(8) has it.

    The mark belongs to one interface, and so the rule does.
    """

    version: int
    fwmark: int
    table: int
    priority: int
    """Lower ones are asked first."""
    suppress_prefix_length: int | None = None
    """Routes whose prefix is this long or shorter do not count."""
    invert: bool = True
    """For the packets that do not have the mark."""
    fwmask: int = WHOLE_MARK
    """The bits of the mark that are compared."""


def routes_for(config: InterfaceConfig) -> tuple[Route, ...]:
    """One route for each allowed prefix, most specific first, so that none is ever wider than what is ready behind it.

    With table "auto" a prefix that is the network of one of the interface's own addresses is left out, since the kernel
    makes that route with the address, and a default route goes into the interface's own table. "off" gives none.
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
    """Two for each default route with table "auto", in the order in which they are asked."""
    mark = policy_table(config)
    if mark is None:
        return ()
    versions = sorted({route.destination.version for route in routes_for(config) if route.destination.prefixlen == 0})
    first = (Rule(version, mark, MAIN_TABLE, MAIN_FIRST, suppress_prefix_length=0) for version in versions)
    return (*first, *(Rule(version, mark, mark, OWN_TABLE_NEXT) for version in versions))


def policy_table(config: InterfaceConfig) -> int | None:
    """The table of a default route with table "auto", whose number is the interface's mark too; None without one.

    Without a mark in the configuration it is 51820; who brings an interface up may have chosen one that is free.
    """
    connected = {address.network for address in config.addresses}
    if config.table != "auto" or connected.issuperset(default_routes(config)):
        return None
    return config.fwmark or FIRST_POLICY_TABLE


def default_routes(config: InterfaceConfig) -> tuple[IPNetwork, ...]:
    """The allowed prefixes that would take all traffic of a family, in the order of the peers."""
    return tuple(prefix for prefix in _allowed_prefixes(config) if prefix.prefixlen == 0)


def _allowed_prefixes(config: InterfaceConfig) -> Sequence[IPNetwork]:
    return tuple(dict.fromkeys(prefix for peer in config.peers for prefix in peer.allowed_ips))
