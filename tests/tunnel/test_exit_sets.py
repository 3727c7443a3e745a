"""The sets of the exit policy, held against a judge that follows the five rules for one address."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.strategies import port_ranges
from warren.config.parsers import IPAddress
from warren.tunnel.address_ranges import Ranges, merged, minus, ranges_of
from warren.tunnel.config import IPNetwork
from warren.tunnel.exit_policy import ExitEntry, ExitNode, parse_exit_entry
from warren.tunnel.exit_sets import SMTP, ByPorts, ExitHost, ExitSets, exit_sets
from warren.tunnel.special_addresses import (
    LOCAL_NAT64,
    NAT64,
    NEVER_V4,
    NEVER_V6,
    PRIVATE_V4,
    PRIVATE_V6,
    SIX_TO_FOUR,
)

pytestmark = pytest.mark.unit
Port = tuple[str, int | None]

# Prefixes that meet one another and the special ones.
PREFIXES = [
    ip_network(text)
    for text in (
        *("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/24", "192.0.2.0/25", "203.0.113.9/32"),
        *("8.0.0.0/8", "8.8.8.0/24", "::/0", "2001:db8::/32", "2001:db8:1::/48", "fd00::/8", "fd01::/64"),
        *("64:ff9b::/96", "64:ff9b::808:0/112", "2002::/16", "2002:a01::/32", "64:ff9b:1::/48"),
    )
]
ATTACHED = [
    ip_interface(text)
    for text in (
        *("10.1.2.3/24", "192.0.2.1/25", "192.0.2.129/24", "203.0.113.8/31", "2001:db8:1::1/64"),
        *("fd01::1/64", "172.16.5.5/16"),
    )
]
ADDRESSES = [
    ip_address(text)
    for text in (
        *("8.8.8.8", "8.9.9.9", "10.1.2.3", "10.1.2.4", "10.1.2.255", "10.1.2.0", "10.2.0.1", "192.0.2.1", "192.0.2.7"),
        *("192.0.2.127", "192.0.2.200", "203.0.113.9", "203.0.113.8", "127.0.0.1", "169.254.169.254", "100.64.0.1"),
        *("100.100.100.200", "224.0.0.1", "2001:db8::1", "2001:db8:1::2", "fd01::1", "fd01::2", "fd02::1", "fe80::1"),
        *("64:ff9b::808:808", "64:ff9b::a01:204", "64:ff9b::7f00:1", "64:ff9b::c000:207", "64:ff9b::a01:203"),
        *("2002:808:808::1", "2002:a01:204::1", "2002:7f00:1::1", "64:ff9b:1::808:808", "::ffff:8.8.8.8", "2606::1"),
    )
]
entries = st.lists(
    st.builds(ExitEntry, st.sampled_from(PREFIXES), st.none() | port_ranges | st.just((25, 25))), max_size=4
)
policies = st.builds(
    ExitNode,
    enabled=st.just(True),
    routes=st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3).map(tuple),
    allow_lan=st.booleans(),
    allow=entries.map(tuple),
    deny=entries.map(tuple),
)
hosts = st.builds(
    ExitHost,
    own=st.lists(st.sampled_from(ADDRESSES), max_size=3).map(tuple),
    attached=st.lists(st.sampled_from(ATTACHED), max_size=3, unique=True).map(tuple),
    mesh=st.lists(st.sampled_from(PREFIXES).filter(lambda prefix: prefix.prefixlen > 16), max_size=1).map(tuple),
)


def passes(sets: ExitSets, address: IPAddress, port: Port) -> bool:
    """Follow the rules of `tunnel/nft_exit.py`."""
    number = int(address)

    def inside(ranges: Ranges) -> bool:
        return any(first <= number <= last for first, last in ranges)

    def named(groups: ByPorts) -> bool:
        return port[1] is not None and any(low <= port[1] <= high and inside(each) for (low, high), each in groups)

    if inside(sets.never) or inside(sets.deny) or named(sets.deny_ports):
        return False
    if port == ("tcp", SMTP) and not inside(sets.smtp):
        return False
    if inside(sets.closed) and not named(sets.closed_ports):
        return False
    if not inside(sets.routes):
        return False
    return not sets.has_allow or inside(sets.allow) or named(sets.allow_ports)


def judged(policy: ExitNode, host: ExitHost, address: IPAddress, port: Port) -> bool:
    """Apply the five rules (decision 0054), and refuse what only several readings can judge."""
    reading = read(address)
    is_unreadable = isinstance(address, IPv6Address) and address in LOCAL_NAT64
    is_denied = names(policy.deny, address, port) or names(policy.deny, reading, port)
    is_mail = port == ("tcp", SMTP)
    opens_mail = any(each.ports and names((each,), reading, port) for each in policy.allow)
    is_allowed = not policy.allow or names(policy.allow, address, port) or names(policy.allow, reading, port)
    return (
        not (is_unreadable or never(host, address) or never(host, reading))
        and not (is_denied or (is_mail and not opens_mail))
        and is_open(policy, host, reading, port)
        and any(address in route for route in policy.routes)
        and is_allowed
    )


def read(address: IPAddress) -> IPAddress:
    if isinstance(address, IPv6Address) and address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if isinstance(address, IPv6Address) and address in SIX_TO_FOUR:
        return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address


def never(host: ExitHost, address: IPAddress) -> bool:
    edges = {edge for each in host.attached if isinstance(each, IPv4Interface) for edge in broadcasts(each)}
    special: Iterator[IPNetwork] = iter((*NEVER_V4, *NEVER_V6, *host.mesh))
    return address in host.own or address in edges or any(address in prefix for prefix in special)


def broadcasts(attached: IPv4Interface) -> set[IPAddress]:
    network = attached.network
    return {network.network_address, network.broadcast_address} if network.prefixlen < 31 else set()


def names(named: tuple[ExitEntry, ...], address: IPAddress, port: Port, length: int = 0) -> bool:
    return any(
        address in each.prefix
        and each.prefix.prefixlen >= length
        and (each.ports is None or (port[1] is not None and each.ports[0] <= port[1] <= each.ports[1]))
        for each in named
    )


def is_open(policy: ExitNode, host: ExitHost, address: IPAddress, port: Port) -> bool:
    subnets = sorted(each.network.prefixlen for each in host.attached if address in each.network)
    private: tuple[IPNetwork, ...] = (*PRIVATE_V4, *PRIVATE_V6)
    ranges = [prefix.prefixlen for prefix in private if address in prefix]
    if not subnets and not ranges:
        return True
    if subnets and policy.allow_lan:
        return True
    return names(policy.allow, address, port, ranges[0] if ranges else subnets[-1])


@given(policies, hosts)
def test_sets_judge_every_address_as_the_rules_do(policy: ExitNode, host: ExitHost) -> None:
    four, six = exit_sets(policy, host)
    for address in ADDRESSES:
        for port in (("tcp", 25), ("tcp", 80), ("udp", 53), ("icmp", None)):
            found = passes(four if address.version == 4 else six, address, port)
            assert found == judged(policy, host, address, port), (address, port)


def test_ten_thousand_prefixes_are_sets_at_once() -> None:
    """Not longer than it takes to sort them: a pair of prefixes is never compared with all others."""
    every = tuple(ExitEntry(ip_network((index << 12 | 1 << 31, 24))) for index in range(10_000))
    policy = ExitNode(enabled=True, deny=every, allow=(parse_exit_entry("0.0.0.0/0:443"),))
    four, six = exit_sets(policy, ExitHost())
    assert len(four.deny) == 10_000
    assert len(six.deny) == 20_000


small = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


@given(small, small)
def test_ranges_are_sets_of_numbers(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    def numbers(ranges: Ranges) -> set[int]:
        return {number for first, last in ranges for number in range(first, last + 1)}

    left, right = merged(one), merged(other)
    assert numbers(left) == numbers(tuple(one))
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(left))
    assert numbers(minus(left, right)) == numbers(left) - numbers(right)
    assert minus(left, ()) == left


def test_prefixes_that_touch_are_one_range() -> None:
    prefixes = [ip_network("10.0.0.0/25"), ip_network("10.0.0.128/25"), ip_network("10.0.0.7/32")]
    assert ranges_of(prefixes) == ((0x0A00_0000, 0x0A00_00FF),)
