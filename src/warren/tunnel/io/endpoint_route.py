"""The routes of this host to the endpoints of peers, as the kernel decides them for the engine's datagrams."""

from __future__ import annotations

from collections.abc import Iterator

from warren._core import Netlink
from warren.config.parsers import IPAddress
from warren.errors import HostError, InterfaceError
from warren.tunnel.config import addresses_of
from warren.tunnel.coverage import containing
from warren.tunnel.io.observe import find_link
from warren.tunnel.status import InterfaceStatus


def leads_into(interface: str, endpoint: IPAddress, fwmark: int, netlink: Netlink) -> bool:
    """Return True if datagrams to `endpoint` with that mark are routed into the interface; False without a route."""
    if endpoint.is_link_local:  # its zone is the link, whatever the routes are
        return False
    link = find_link(interface, netlink)
    try:
        return link is not None and netlink.route_to(endpoint, fwmark) == link.index
    except (HostError, InterfaceError):
        return False


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
