"""What networks, and peers of one network, take from each other."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.config import Endpoint, IPNetwork, Table
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.overlap import (
    clash_findings,
    covered,
    lan_warnings,
    mark_warnings,
    network_warnings,
    overlap_warnings,
)

from .strategies import PUBLIC_KEYS, networks

pytestmark = pytest.mark.unit

close_networks = st.builds(
    lambda octet, bits: ip_network((octet << 24, bits), strict=False), st.integers(0, 7), st.integers(0, 8)
)


def network(name: str, *prefixes: str, interface: str = "", port: int = 0, table: Table = "auto") -> NetworkConfig:
    """A network with one peer."""
    peer = NetworkPeer("p", PUBLIC_KEYS[0], allowed_ips=tuple(map(ip_network, prefixes)))
    return NetworkConfig(name, "/k", interface=interface or name, listen_port=port, table=table, peers=(peer,))


def is_within(inner: IPNetwork, outer: IPNetwork) -> bool:
    """By the standard library's own word."""
    return isinstance(inner, IPv4Network) == isinstance(outer, IPv4Network) and inner.subnet_of(outer)  # type: ignore[arg-type]


@given(st.lists(networks | close_networks, max_size=12))
def test_every_pair_is_found_once(prefixes: list[IPNetwork]) -> None:
    claims = list(zip(prefixes, range(len(prefixes)), strict=True))
    found = [(outer[1], inner[1]) for outer, inner in covered(claims)]
    expected = {
        (outer, inner)
        for outer, inner in ((a, b) for a in range(len(prefixes)) for b in range(len(prefixes)) if a != b)
        if is_within(prefixes[inner], prefixes[outer]) and (prefixes[inner] != prefixes[outer] or outer < inner)
    }
    assert len(found) == len(set(found))
    assert set(found) == expected


def clashes(*found: NetworkConfig) -> list[str]:
    """The keys of what keeps them apart."""
    return [finding.key for finding in clash_findings(found)]


def test_one_interface_or_port_for_two() -> None:
    """H-11, X-16: the default of two networks as well."""
    first, second = NetworkConfig("a", "/k"), NetworkConfig("b", "/k", listen_port=51820)
    assert clashes(first, second) == ["network.b.interface"]
    assert clashes(network("a", port=51820), second) == ["network.b.listen_port"]
    assert clashes(network("a"), network("b")) == []


def test_one_prefix_for_two_is_refused_and_a_longer_one_flagged() -> None:
    """H-16."""
    first, second = network("a", "10.0.0.0/8", "fd00::/8"), network("b", "192.0.2.0/24", "10.0.0.0/8", "fd00::/8")
    assert clashes(first, second) == ["network.b.peers[0].allowed_ips[1]"]
    (warning,) = overlap_warnings([network("a", "10.1.0.0/16"), network("b", "10.0.0.0/8")])
    assert warning.key == "network.a.peers[0].allowed_ips[0]"
    assert warning.problem == "10.1.0.0/16 lies within 10.0.0.0/8 of network b"
    assert clashes(network("a", "10.1.0.0/16"), network("b", "10.0.0.0/8")) == []
    assert list(overlap_warnings([first, second])) == []


def test_a_default_route_gives_way_to_all_but_another() -> None:
    assert clashes(network("a", "0.0.0.0/0"), network("b", "0.0.0.0/0")) == ["network.b.peers[0].allowed_ips[0]"]
    wide, narrow = network("a", "0.0.0.0/0", "10.0.0.0/8"), network("b", "10.1.0.0/16")
    assert [warning.problem for warning in overlap_warnings([wide, narrow])] == [
        "10.1.0.0/16 lies within 10.0.0.0/8 of network a"
    ]


@pytest.mark.parametrize("tables", [("off", "auto"), ("off", "off"), (1, "auto"), (1, 2)])
def test_tables_of_their_own_keep_them_apart(tables: tuple[Table, Table]) -> None:
    first, second = (network(name, "10.0.0.0/8", table=table) for name, table in zip("ab", tables, strict=True))
    assert clashes(first, second) == []


def test_of_one_network() -> None:
    bare, wide, narrow = (
        NetworkPeer(name, key, allowed_ips=tuple(map(ip_network, prefixes)))
        for name, key, prefixes in zip(
            ("bare", "wide", "narrow"),
            PUBLIC_KEYS,
            (("0.0.0.0/0",), ("10.0.0.0/8", "fd00::/8"), ("10.1.0.0/16", "10.2.0.0/16")),
            strict=False,
        )
    )
    unnumbered = NetworkConfig("a", "/k", peers=(bare, wide, narrow))
    assert [(warning.key, warning.problem) for warning in network_warnings(unnumbered)] == [
        ("addresses", "is missing: wg0 gets no address"),
        ("peers[2].allowed_ips[0]", "10.1.0.0/16 lies within 10.0.0.0/8 of peer wide"),
    ]
    again = NetworkPeer("again", PUBLIC_KEYS[3], allowed_ips=wide.allowed_ips)
    numbered = NetworkConfig("a", "/k", addresses=(ip_interface("10.0.0.2/24"),), peers=(wide, again))
    assert list(network_warnings(numbered)) == []


def test_endpoint_that_only_the_tunnel_would_lead_to_is_named() -> None:
    at = replace(network("a", "192.0.2.0/24", "10.0.0.0/8").peers[0], endpoint=Endpoint("192.0.2.2", 51820))
    auto = replace(network("a"), peers=(at,), addresses=(ip_interface("10.0.0.1/24"),))
    assert list(network_warnings(auto)) == []
    warnings = network_warnings(replace(auto, table=254, addresses=(ip_interface("192.0.2.1/25"),)))
    assert [(warning.key, warning.problem) for warning in warnings] == [
        (
            "addresses[0]",
            "the network of 192.0.2.1/25 contains the endpoint 192.0.2.2, which is then reached by the tunnel",
        ),
        ("table", "a route for 192.0.2.0/24 there leads to the endpoint 192.0.2.2 by the tunnel itself"),
    ]


def test_mark_that_another_full_tunnel_would_take_is_named() -> None:
    first, second = network("a", "0.0.0.0/0"), network("b", "::/0")
    assert list(mark_warnings([first, second, network("c", "10.0.0.0/8")])) == []
    assert list(mark_warnings([replace(first, fwmark=51900), second])) == []
    assert list(mark_warnings([replace(first, fwmark=7), network("c", "10.0.0.0/8")])) == []
    (warning,) = mark_warnings([replace(first, fwmark=7), second])
    assert (warning.key, warning.problem) == (
        "network.a.fwmark",
        "packets of this network would be routed into network b by its default route",
    )


def test_networks_that_lead_into_each_other_are_named() -> None:
    full = network("a", "0.0.0.0/0")
    full = replace(full, peers=(replace(full.peers[0], endpoint=Endpoint("192.0.2.2", 51820)),))
    part = network("b", "192.0.2.0/24")
    (warning,) = mark_warnings([full, part])
    assert (warning.key, warning.problem) == (
        "network.b.fwmark",
        "this network and the default route of network a, to 192.0.2.2, lead into each other",
    )
    assert list(mark_warnings([full, replace(part, fwmark=51901)])) == []


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        (("192.168.0.0/16",), [("192.168.1.0/24", "eth0")]),
        (("192.168.1.128/25",), [("192.168.1.0/24", "network a")]),
        (("192.168.1.0/24", "192.168.1.9/32"), [("192.168.1.0/24", "network a")]),
        (("fd00::/8",), [("fd00:1::/64", "eth0")]),
        (("0.0.0.0/0", "::/0", "192.168.2.0/24", "10.0.0.1/32"), []),
    ],
)
def test_what_this_host_is_on_by_another_link(prefixes: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    """H-16: named are the prefix, the LAN, and who has what is in both. A single address is no LAN."""
    addresses = tuple(map(ip_interface, ("192.168.1.7/24", "fd00:1::7/64", "10.0.0.1/32")))
    warnings = [*lan_warnings(network("a", *prefixes), {"eth0": addresses})]
    assert [
        (warning.problem.split()[3].rstrip(","), warning.expected.removeprefix("packets for both go to "))
        for warning in warnings
    ] == expected
    assert all(warning.key == "peers[0].allowed_ips[0]" for warning in warnings)
    assert list(lan_warnings(network("a", *prefixes, table="off"), {"eth0": addresses})) == []
