"""No name server is asked for an endpoint through the network of that endpoint."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.config.parsers import IPAddress
from warren.tunnel.config import IPNetwork
from warren.tunnel.endpoint_dns import UpstreamServers, upstream_servers_of
from warren.tunnel.network import NetworkConfig, NetworkPeer

from .strategies import PUBLIC_KEYS, networks

pytestmark = pytest.mark.unit

AT_HOME, PUBLIC = ip_address("10.0.0.53"), ip_address("192.0.2.53")


def network(*prefixes: str, dns: str = "") -> NetworkConfig:
    return of([ip_network(prefix) for prefix in prefixes], dns)


def of(prefixes: list[IPNetwork], dns: str = "") -> NetworkConfig:
    peer = NetworkPeer("gateway", PUBLIC_KEYS[0], allowed_ips=tuple(prefixes))
    return NetworkConfig("default", "/etc/warren/private.key", dns=(ip_address(dns),) if dns else (), peers=(peer,))


@pytest.mark.parametrize(
    ("config", "inside", "outside"),
    [
        (network("10.42.0.0/16"), [], None),
        (network(), [], None),
        (network("10.42.0.0/16", dns="10.42.0.1"), [], UpstreamServers((AT_HOME, PUBLIC), 7)),
        (network("0.0.0.0/0"), [], UpstreamServers((AT_HOME, PUBLIC), 7)),
        (network("::/0"), [], None),
        (network("0.0.0.0/0", "10.0.0.0/8"), [AT_HOME], UpstreamServers((PUBLIC,), 7)),
        (network("0.0.0.0/1", "128.0.0.0/1"), [], UpstreamServers((AT_HOME, PUBLIC), 7)),
        (network("10.0.0.0/8"), [AT_HOME], UpstreamServers((PUBLIC,), 7)),
        (network("10.0.0.0/8"), [], UpstreamServers((AT_HOME, PUBLIC), 7)),
        (network("10.0.0.0/8", "192.0.0.0/8"), [AT_HOME, PUBLIC], UpstreamServers((), 7)),
    ],
)
def test_whom_to_ask(config: NetworkConfig, inside: list[IPAddress], outside: UpstreamServers | None) -> None:
    assert upstream_servers_of(config, (AT_HOME, PUBLIC), 7, inside) == outside


@given(
    prefixes=st.lists(networks, unique=True),
    servers=st.lists(st.ip_addresses()),
    chosen=st.sets(st.integers(0, 5)),
    dns=st.sampled_from(["", "10.42.0.1"]),
)
def test_never_one_that_only_the_network_leads_to(
    prefixes: list[IPNetwork], servers: list[IPAddress], chosen: set[int], dns: str
) -> None:
    within = [server for server in servers if any(server in prefix for prefix in prefixes)]
    inside = [server for number, server in enumerate(within) if number in chosen]
    found = upstream_servers_of(of(prefixes, dns), servers, 7, inside)
    asked = servers if found is None else found.servers
    assert not any(server in inside for server in asked)
    assert all(server in asked for server in servers if server not in inside)
    assert (found is None) <= (not dns)
