"""Which routes follow from allowed IPs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig, Table
from warren.tunnel.coverage import is_full, taking_all
from warren.tunnel.routes import (
    MAIN_TABLE,
    TUNNEL_MARKS,
    TUNNEL_MASK,
    Route,
    Rule,
    policy_table,
    routes_for,
    rules_for,
)

from .strategies import PRIVATE_KEYS, PUBLIC_KEYS, interface_configs

pytestmark = pytest.mark.unit


def config(
    *allowed_ips: str, address: str = "10.0.0.1/24", table: Table = "auto", fwmark: int = 0, endpoint: str = ""
) -> InterfaceConfig:
    """One interface with one peer."""
    at = Endpoint(endpoint, 51820) if endpoint else None
    peer = PeerConfig(PUBLIC_KEYS[0], endpoint=at, allowed_ips=tuple(map(ip_network, allowed_ips)))
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


@pytest.mark.parametrize(
    ("wanted", "prefixes"),
    [
        (config("0.0.0.0/0", "::/0", "0.0.0.0/1"), ["0.0.0.0/0", "::/0"]),
        (config("192.0.2.2/32", endpoint="192.0.2.2"), ["192.0.2.2/32"]),
        (config("192.0.2.3/32", "10.9.0.0/16", endpoint="192.0.2.2"), []),
        (config("0.0.0.0/1", "128.0.0.0/1", "::/1"), ["0.0.0.0/1", "128.0.0.0/1"]),
        (config("0.0.0.0/2", "128.0.0.0/1", endpoint="192.0.2.2"), ["128.0.0.0/1"]),
        (config("192.0.0.0/16", "192.0.2.0/24", "::/1", endpoint="192.0.2.2"), ["192.0.0.0/16", "192.0.2.0/24"]),
        (config("2001:db8::/32", "0.0.0.0/0", endpoint="2001:db8::2"), ["2001:db8::/32", "0.0.0.0/0"]),
        (config("10.0.0.0/24", endpoint="10.0.0.2"), []),
        (config("192.0.2.2/32", endpoint="192.0.2.2", table=7), []),
        (config("192.0.2.2/32", endpoint="192.0.2.2", table="off"), []),
        (config("192.0.2.2/32", endpoint="vpn.example.org"), []),
    ],
    ids=[
        "default routes",
        "the endpoint itself",
        "beside the endpoint",
        "two halves",
        "part of the half",
        "nested",
        "both versions",
        "the network of an address",
        "another table",
        "no table",
        "a name",
    ],
)
def test_policy_prefixes_are_default_routes_and_those_that_contain_an_endpoint(
    wanted: InterfaceConfig, prefixes: list[str]
) -> None:
    assert list(map(str, wanted.policy_prefixes)) == prefixes
    assert (policy_table(wanted) is None) == (not prefixes)


def test_prefix_where_a_peer_was_observed_is_a_policy_prefix() -> None:
    wanted = replace(config("192.0.2.0/24"), roamed_to=(ip_address("192.0.2.9"),))
    assert list(map(str, wanted.policy_prefixes)) == ["192.0.2.0/24"]


def test_a_default_route_has_a_table_of_its_own_and_two_rules() -> None:
    wanted = config("0.0.0.0/0", "10.9.0.0/16", "::/0")
    assert routes_for(wanted)[1:] == (Route(ip_network("0.0.0.0/0"), 51820), Route(ip_network("::/0"), 51820))
    assert routes(wanted)[0] == "10.9.0.0/16"
    assert rules_for(wanted) == (
        Rule(4, 51820, MAIN_TABLE, 32764, suppress_prefix_length=0, fwmask=TUNNEL_MASK),
        Rule(6, 51820, MAIN_TABLE, 32764, suppress_prefix_length=0, fwmask=TUNNEL_MASK),
        Rule(4, 51820, 51820, 32765, fwmask=TUNNEL_MASK),
        Rule(6, 51820, 51820, 32765, fwmask=TUNNEL_MASK),
    )


def test_prefixes_of_several_lengths_have_a_pair_of_rules_each_and_the_longest_comes_first() -> None:
    wanted = config("0.0.0.0/0", "192.0.2.0/24", "192.0.2.2/32", endpoint="192.0.2.2", fwmark=7)
    assert rules_for(wanted) == (
        Rule(4, 7, 7, 32701, suppress_prefix_length=31),
        Rule(4, 7, MAIN_TABLE, 32716, suppress_prefix_length=24),
        Rule(4, 7, 7, 32717, suppress_prefix_length=23),
        Rule(4, 7, MAIN_TABLE, 32764, suppress_prefix_length=0),
        Rule(4, 7, 7, 32765),
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
        config("0.0.0.0/1", "128.0.0.0/2"),
        config("0.0.0.0/0", address="10.0.0.1/0"),
    ],
    ids=["another table", "no table", "not all", "the network of an address"],
)
def test_what_needs_no_rules(wanted: InterfaceConfig) -> None:
    assert (policy_table(wanted), rules_for(wanted)) == (None, ())


def looked_up(
    interfaces: Sequence[InterfaceConfig], main: dict[IPv4Network, str], destination: IPv4Address, mark: int
) -> str | None:
    """The link by which a packet leaves a host with the main table `main`, as the kernel asks rule by rule."""
    tables = {MAIN_TABLE: dict(main)}
    rules = [Rule(4, 0, MAIN_TABLE, 32766, invert=False, fwmask=0)]
    for interface in interfaces:
        for route in routes_for(interface):
            if isinstance(route.destination, IPv4Network):
                tables.setdefault(route.table, {})[route.destination] = interface.name
        rules += [rule for rule in rules_for(interface) if rule.version == 4]
    for rule in sorted(rules, key=lambda rule: rule.priority):
        best = longest(tables[rule.table], destination)
        applies = ((mark ^ rule.fwmark) & rule.fwmask == 0) != rule.invert
        shortest = -1 if rule.suppress_prefix_length is None else rule.suppress_prefix_length
        if applies and best is not None and best.prefixlen > shortest:
            return tables[rule.table][best]
    return None


def longest(table: dict[IPv4Network, str], destination: IPv4Address) -> IPv4Network | None:
    found = [prefix for prefix in table if destination in prefix]
    return max(found, key=lambda prefix: prefix.prefixlen, default=None)


MAIN = {IPv4Network("0.0.0.0/0"): "eth0", IPv4Network("192.0.2.0/24"): "eth0"}


@pytest.mark.parametrize(
    ("destination", "mark", "link"),
    [
        ("192.0.2.9", 0, "eth0"),
        ("198.51.100.9", 0, "wg0"),
        ("10.9.0.2", 0, "wg0"),
        ("198.51.100.9", 51820, "eth0"),
        ("10.9.0.2", 51820, "wg0"),
        ("198.51.100.9", 7, "wg0"),
        ("198.51.100.9", 51821, "eth0"),
    ],
    ids=[
        "its own network",
        "anywhere",
        "in the tunnel",
        "the tunnel's own",
        "the main table",
        "another's mark",
        "the mark of another tunnel",
    ],
)
def test_what_goes_where(destination: str, mark: int, link: str) -> None:
    wanted = config("0.0.0.0/0", "10.9.0.0/16")
    assert looked_up([wanted], MAIN, IPv4Address(destination), mark) == link
    assert looked_up([config("10.9.0.0/16")], MAIN, IPv4Address("198.51.100.9"), mark) == "eth0"


def few_networks() -> st.SearchStrategy[IPv4Network]:
    """Of few addresses, so that they nest."""
    numbers = st.integers(0, 7).map(lambda number: number << 29 | number)
    lengths = st.sampled_from([0, 1, 2, 3, 29, 30, 32])
    return st.builds(lambda number, length: IPv4Network((number, length), strict=False), numbers, lengths)


@given(
    allowed=st.lists(few_networks(), unique=True, max_size=6),
    main=st.dictionaries(few_networks(), st.just("eth0"), max_size=6),
    endpoints=st.lists(st.integers(0, 7), min_size=1, max_size=2),
    destination=st.integers(0, 7),
)
def test_endpoint_is_never_routed_into_its_tunnel_and_all_else_takes_the_longest_prefix(
    allowed: list[IPv4Network], main: dict[IPv4Network, str], endpoints: list[int], destination: int
) -> None:
    outer = tuple(IPv4Address(number << 29 | number) for number in endpoints)
    peer = PeerConfig(PUBLIC_KEYS[0], allowed_ips=tuple(allowed))
    wanted = InterfaceConfig("wg0", PRIVATE_KEYS[0], fwmark=TUNNEL_MARKS[1], peers=(peer,), roamed_to=outer)
    main = {prefix: link for prefix, link in main.items() if prefix not in allowed}
    for endpoint in outer:
        best = longest(main, endpoint)
        assert looked_up([wanted], main, endpoint, wanted.fwmark) == (None if best is None else main[best])
    inner = IPv4Address(destination << 29 | destination)
    routes = {**main, **dict.fromkeys(allowed, "wg0")}
    best = longest(routes, inner)
    assert looked_up([wanted], main, inner, 0) == (None if best is None else routes[best])


def test_two_full_tunnels_never_lead_into_each_other() -> None:
    """Neither while the uplink has a route nor after it has lost it."""
    first = config("0.0.0.0/0", endpoint="192.0.2.2", fwmark=51820)
    halves = config("0.0.0.0/1", "128.0.0.0/1", endpoint="192.0.2.3", fwmark=51821)
    second = replace(halves, name="wg1", roamed_to=(ip_address("10.0.0.1"),))
    for mark, endpoint in ((51820, "192.0.2.2"), (51821, "192.0.2.3")):
        assert looked_up([first, second], MAIN, IPv4Address(endpoint), mark) == "eth0"
        assert looked_up([first, second], {}, IPv4Address(endpoint), mark) is None
    assert looked_up([first, second], MAIN, IPv4Address("198.51.100.9"), 0) == "wg1"


def test_full_means_that_no_address_is_left_out() -> None:
    halves = [ip_network(prefix) for prefix in ("0.0.0.0/1", "128.0.0.0/1", "::/1")]
    assert (is_full(halves, 4), is_full(halves, 6)) == (True, False)
    assert is_full([*halves, ip_network("8000::/1")], 6)
    assert not is_full(halves[1:], 4)
    default = ip_network("::/0")
    assert taking_all([*halves, default, ip_network("fd00::/8")]) == {*halves[:2], default}
    assert taking_all(halves[1:]) == frozenset()


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
        main = [route.destination for route in found if route.table == MAIN_TABLE]
        endpoints = interface.endpoint_addresses()
        assert not any(prefix.prefixlen == 0 for prefix in main)
        assert not any(endpoint in prefix for prefix in main for endpoint in endpoints)
    else:
        assert set(destinations) == allowed
        assert {route.table for route in found} <= {interface.table}


@given(interface_configs)
def test_each_rule_has_its_route(interface: InterfaceConfig) -> None:
    own = [route for route in routes_for(interface) if route.table not in (MAIN_TABLE, interface.table)]
    rules = rules_for(interface)
    if interface.table == "auto":
        assert {(rule.version, rule.fwmark) for rule in rules} == {(r.destination.version, r.table) for r in own}
    else:
        assert rules == ()
