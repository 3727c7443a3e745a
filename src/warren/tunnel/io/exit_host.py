"""The addresses of this host that an exit node judges by, and the links that its routes lead to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

from warren._core import Netlink
from warren.config.parsers import IPAddress
from warren.errors import HostError, InterfaceError
from warren.tunnel.config import IPInterface, IPNetwork
from warren.tunnel.coverage import taking_all
from warren.tunnel.exit_sets import ExitHost
from warren.tunnel.io.observe import TUNNELS
from warren.tunnel.network import NetworkConfig

# Anywhere: no route but the default one leads there (RFC 5737; of RFC 3849's prefix a host may have an own route).
ANYWHERE: dict[int, IPAddress] = {4: IPv4Address("192.0.2.1"), 6: IPv6Address("2001:db8::1")}
MAX_ROUTES = 64  # of one version are looked up; more prefixes lead to no more links


def observe_exit(network: NetworkConfig, netlink: Netlink) -> tuple[ExitHost, dict[int, tuple[str, ...]]]:
    """Return the addresses of this host as they are now, and its links to other networks. Raises WarrenError.

    The links are by version of IP, for the versions that the network has; none for one that `routes` does not have.
    """
    own: list[IPAddress] = []
    attached: list[IPInterface] = []
    lans: dict[int, set[str]] = {4: set(), 6: set()}
    mesh = [*_prefixes(network)]
    for link in netlink.links():
        addresses = [each.address for each in netlink.addresses(link.index)]
        own += [address.ip for address in addresses]
        if link.kind in TUNNELS:
            mesh += [address.network for address in addresses if not address.is_link_local]
        elif link.name != "lo":
            attached += [address for address in addresses if not address.is_link_local]
            for address in addresses:
                if not address.is_link_local:
                    lans[address.version].add(link.name)
    uplinks: dict[int, tuple[str, ...]] = {}
    for version in sorted({prefix.version for prefix in _prefixes(network)}):
        names = {*_uplinks(network, version, netlink), *(lans[version] if network.exit_node.allow_lan else ())}
        uplinks[version] = tuple(sorted(names - {network.interface}))
    host = ExitHost(tuple(sorted(own, key=_order)), tuple(sorted(attached, key=_order)), tuple(dict.fromkeys(mesh)))
    return host, uplinks


def _order(address: IPAddress | IPInterface) -> tuple[int, str]:
    return address.version, str(address)


def _prefixes(network: NetworkConfig) -> Iterator[IPNetwork]:
    """Yield the prefixes of the network itself, without those that take all traffic."""
    allowed = [prefix for peer in network.peers for prefix in peer.allowed_ips]
    everything = taking_all(allowed)
    yield from (prefix for prefix in allowed if prefix not in everything)
    yield from (address.network for address in network.addresses)


def _uplinks(network: NetworkConfig, version: int, netlink: Netlink) -> Iterator[str]:
    prefixes = [prefix for prefix in network.exit_node.routes if prefix.version == version]
    for prefix in prefixes[:MAX_ROUTES]:
        address = ANYWHERE[version] if prefix.prefixlen == 0 else prefix.network_address
        with suppress(HostError, InterfaceError, OSError):  # there is no route
            name = socket.if_indextoname(netlink.route_to(address, 0))
            if name != "lo":
                yield name
