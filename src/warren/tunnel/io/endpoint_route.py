"""The routes of this host to the endpoints of peers, as the kernel decides them for the engine's datagrams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from warren._core import Netlink
from warren.config.parsers import IPAddress
from warren.errors import HostError, InterfaceError
from warren.tunnel.config import Endpoint, addresses_of
from warren.tunnel.coverage import containing
from warren.tunnel.io.observe import find_link
from warren.tunnel.status import InterfaceStatus, PathMtu

OVERHEAD_BYTES = {4: 60, 6: 80}  # the outer IP header, UDP (8) and WireGuard's own 32


def leads_into(interface: str, endpoint: IPAddress, fwmark: int, netlink: Netlink) -> bool:
    """Return True if datagrams to `endpoint` with that mark are routed into the interface; False without a route."""
    if endpoint.is_link_local:  # its zone is the link, whatever the routes are
        return False
    link = find_link(interface, netlink)
    try:
        return link is not None and netlink.route_to(endpoint, fwmark) == link.index
    except (HostError, InterfaceError):
        return False


def with_route_mtus(status: InterfaceStatus, netlink: Netlink) -> InterfaceStatus:
    """Return the status of an engine that does not probe, with the path MTUs that follow from the routes.

    The MTU of a route is what an administrator has set, or what the kernel has learnt from ICMP for any program.
    """
    peers = (replace(peer, path_mtu=_path_mtu(peer.endpoint, status.fwmark, netlink)) for peer in status.peers)
    return replace(status, peers=tuple(peers))


def _path_mtu(endpoint: Endpoint | None, fwmark: int, netlink: Netlink) -> PathMtu:
    address = None if endpoint is None else endpoint.address
    try:
        mtu = None if address is None else netlink.route_mtu(address, fwmark)
    except HostError:
        mtu = None
    if address is None or mtu is None:
        return PathMtu("unknown", reason="no_route_mtu")
    return PathMtu("route", max(mtu - OVERHEAD_BYTES[address.version], 0))


def endpoints_inside(status: InterfaceStatus, netlink: Netlink) -> Iterator[IPAddress]:
    """Yield the endpoints whose datagrams go into the tunnel that they carry.

    Only endpoints within a prefix of the interface are examined: there may be very many others.
    """
    addresses = status.link.addresses if status.link is not None else ()
    prefixes = (*(prefix for peer in status.peers for prefix in peer.allowed_ips), *(own.network for own in addresses))
    endpoints = addresses_of(peer.endpoint for peer in status.peers)
    for endpoint in dict.fromkeys(containing(endpoints, prefixes).values()):
        if leads_into(status.name, endpoint, status.fwmark, netlink):
            yield endpoint
