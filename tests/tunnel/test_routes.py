"""Which routes follow from allowed IPs."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

import pytest
from hypothesis import given

from warren.tunnel.config import InterfaceConfig, PeerConfig, Table
from warren.tunnel.routes import MAIN_TABLE, Route, default_routes, routes_for

from .strategies import PRIVATE_KEYS, PUBLIC_KEYS, interface_configs

pytestmark = pytest.mark.unit


def config(*allowed_ips: str, address: str = "10.0.0.1/24", table: Table = "auto") -> InterfaceConfig:
    """One interface with one peer."""
    peer = PeerConfig(PUBLIC_KEYS[0], allowed_ips=tuple(map(ip_network, allowed_ips)))
    return InterfaceConfig("wg0", PRIVATE_KEYS[0], addresses=(ip_interface(address),), table=table, peers=(peer,))


def routes(interface: InterfaceConfig) -> list[str]:
    """The destinations, in order."""
    return [str(route.destination) for route in routes_for(interface)]


def test_the_most_specific_comes_first_whatever_the_order_of_the_file() -> None:
    allowed = config("10.0.0.0/8", "fd00::/48", "10.1.2.3/32", "10.1.0.0/16")
    assert routes(allowed) == ["fd00::/48", "10.1.2.3/32", "10.1.0.0/16", "10.0.0.0/8"]


def test_the_kernel_makes_the_route_of_an_address_itself() -> None:
    assert routes(config("10.0.0.0/24", "10.0.0.2/32")) == ["10.0.0.2/32"]


def test_another_table_gets_every_route() -> None:
    assert routes_for(config("10.0.0.0/24", table=51820)) == (Route(ip_network("10.0.0.0/24"), 51820),)


def test_off_gives_none() -> None:
    assert routes_for(config("10.0.0.0/24", "10.9.0.0/16", table="off")) == ()


def test_default_routes_are_known_by_their_length() -> None:
    assert default_routes(config("0.0.0.0/0", "::/0", "0.0.0.0/1")) == (ip_network("0.0.0.0/0"), ip_network("::/0"))


@given(interface_configs)
def test_every_allowed_prefix_leads_into_the_interface_once(interface: InterfaceConfig) -> None:
    found = routes_for(interface)
    allowed = {prefix for peer in interface.peers for prefix in peer.allowed_ips}
    connected = {address.network for address in interface.addresses}
    destinations = [route.destination for route in found]
    assert len(set(destinations)) == len(destinations)
    if interface.table == "off":
        assert not found
    elif interface.table == "auto":
        assert set(destinations) == allowed - connected
        assert {route.table for route in found} <= {MAIN_TABLE}
    else:
        assert set(destinations) == allowed
        assert {route.table for route in found} <= {interface.table}
