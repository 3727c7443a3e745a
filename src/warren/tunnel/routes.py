"""Which routes follow from allowed IPs."""

from __future__ import annotations

from dataclasses import dataclass

from warren.tunnel.config import InterfaceConfig, IPNetwork

MAIN_TABLE = 254  # RT_TABLE_MAIN of rtnetlink(7)


@dataclass(frozen=True, slots=True)
class Route:
    """Packets to `destination` go into the interface, by the routing table of that number."""

    destination: IPNetwork
    table: int = MAIN_TABLE


def routes_for(config: InterfaceConfig) -> tuple[Route, ...]:
    """One route for each allowed prefix, most specific first, so that none is ever wider than what is ready behind it.

    With table "auto" a prefix that is the network of one of the interface's own addresses is left out: the kernel
    makes that route with the address. "off" gives none.
    """
    if config.table == "off":
        return ()
    prefixes = dict.fromkeys(prefix for peer in config.peers for prefix in peer.allowed_ips)
    if config.table == "auto":
        table, connected = MAIN_TABLE, {address.network for address in config.addresses}
    else:
        table, connected = config.table, set()
    wanted = (prefix for prefix in prefixes if prefix not in connected)
    return tuple(Route(prefix, table) for prefix in sorted(wanted, key=lambda prefix: -prefix.prefixlen))


def default_routes(config: InterfaceConfig) -> tuple[IPNetwork, ...]:
    """The allowed prefixes that would take all traffic of a family, in the order of the peers."""
    prefixes = dict.fromkeys(prefix for peer in config.peers for prefix in peer.allowed_ips)
    return tuple(prefix for prefix in prefixes if prefix.prefixlen == 0)
