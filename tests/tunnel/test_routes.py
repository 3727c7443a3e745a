"""Which routes follow from allowed IPs."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given

from warren.tunnel.config import InterfaceConfig, PeerConfig, Table
from warren.tunnel.routes import (
    MAIN_TABLE,
    Route,
    Rule,
    default_routes,
    policy_table,
    routes_for,
    rules_for,
)

from .strategies import PRIVATE_KEYS, PUBLIC_KEYS, interface_configs

pytestmark = pytest.mark.unit


def config(*allowed_ips: str, address: str = "10.0.0.1/24", table: Table = "auto", fwmark: int = 0) -> InterfaceConfig:
    """One interface with one peer."""
    peer = PeerConfig(PUBLIC_KEYS[0], allowed_ips=tuple(map(ip_network, allowed_ips)))
    addresses = (ip_interface(address),)
    return InterfaceConfig("wg0", PRIVATE_KEYS[0], fwmark=fwmark, addresses=addresses, table=table, peers=(peer,))


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


def test_a_default_route_has_a_table_of_its_own_and_two_rules() -> None:
    wanted = config("0.0.0.0/0", "10.9.0.0/16", "::/0")
    assert routes_for(wanted)[1:] == (Route(ip_network("0.0.0.0/0"), 51820), Route(ip_network("::/0"), 51820))
    assert routes(wanted)[0] == "10.9.0.0/16"
    assert rules_for(wanted) == (
        Rule(4, 51820, MAIN_TABLE, 32764, suppress_prefix_length=0),
        Rule(6, 51820, MAIN_TABLE, 32764, suppress_prefix_length=0),
        Rule(4, 51820, 51820, 32765),
        Rule(6, 51820, 51820, 32765),
    )


def test_the_mark_of_the_configuration_is_the_table() -> None:
    wanted = config("::/0", fwmark=0x77)
    assert routes_for(wanted) == (Route(ip_network("::/0"), 0x77),)
    assert {(rule.version, rule.fwmark) for rule in rules_for(wanted)} == {(6, 0x77)}


@pytest.mark.parametrize(
    "wanted",
    [
        config("0.0.0.0/0", table=7),
        config("0.0.0.0/0", table="off"),
        config("0.0.0.0/1", "128.0.0.0/1"),
        config("0.0.0.0/0", address="10.0.0.1/0"),
    ],
    ids=["another table", "no table", "two halves", "the network of an address"],
)
def test_what_needs_no_rules(wanted: InterfaceConfig) -> None:
    assert (policy_table(wanted), rules_for(wanted)) == (None, ())


def looked_up(wanted: InterfaceConfig, main: dict[str, str], destination: str, mark: int) -> str | None:
    """The link by which a packet leaves a host with the main table `main`, as the kernel asks rule by rule."""
    tables = {MAIN_TABLE: {ip_network(prefix): link for prefix, link in main.items()}}
    for route in routes_for(wanted):
        tables.setdefault(route.table, {})[route.destination] = wanted.name
    last = Rule(4, mark, MAIN_TABLE, 32766, invert=False)
    for rule in sorted((*rules_for(wanted), last), key=lambda rule: rule.priority):
        found = [prefix for prefix in tables[rule.table] if ip_address(destination) in prefix]
        best = max(found, key=lambda prefix: prefix.prefixlen, default=None)
        applies = rule.version == 4 and ((mark & rule.fwmask) == rule.fwmark) != rule.invert
        if (
            applies
            and best is not None
            and best.prefixlen > (-1 if (least := rule.suppress_prefix_length) is None else least)
        ):
            return tables[rule.table][best]
    return None


@pytest.mark.parametrize(
    ("destination", "mark", "link"),
    [
        ("192.0.2.9", 0, "eth0"),
        ("198.51.100.9", 0, "wg0"),
        ("10.9.0.2", 0, "wg0"),
        ("198.51.100.9", 51820, "eth0"),
        ("10.9.0.2", 51820, "wg0"),
        ("198.51.100.9", 7, "wg0"),
    ],
    ids=["its own network", "anywhere", "in the tunnel", "the tunnel's own", "the main table", "another's mark"],
)
def test_what_goes_where(destination: str, mark: int, link: str) -> None:
    main = {"0.0.0.0/0": "eth0", "192.0.2.0/24": "eth0"}
    assert looked_up(config("0.0.0.0/0", "10.9.0.0/16"), main, destination, mark) == link
    assert looked_up(config("10.9.0.0/16"), main, "198.51.100.9", mark) == "eth0"


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
        tables = {route.table for route in found if route.destination.prefixlen}
        assert tables <= {MAIN_TABLE}
        assert MAIN_TABLE not in {route.table for route in found if not route.destination.prefixlen}
    else:
        assert set(destinations) == allowed
        assert {route.table for route in found} <= {interface.table}


@given(interface_configs)
def test_each_rule_has_its_default_route(interface: InterfaceConfig) -> None:
    leads = {
        (route.destination.version, route.table) for route in routes_for(interface) if not route.destination.prefixlen
    }
    rules = rules_for(interface)
    if interface.table == "auto":
        assert {(rule.version, rule.fwmark) for rule in rules} == leads
        assert len(rules) == 2 * len(leads)
    else:
        assert rules == ()
