"""Which backends `auto` tries (decision 0065): traffic of the host never passes beside a tunnel that seems to be up."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.strategies import netstack_configs, network_configs
from tests.tunnel.strategies import PUBLIC_KEYS
from warren.tunnel.backend_rule import backend_rule, may_have_links, needs_net_admin
from warren.tunnel.config import Endpoint
from warren.tunnel.coverage import taking_all
from warren.tunnel.exit_policy import ExitNode
from warren.tunnel.netstack_settings import ForwardSettings, ProxySettings, TcpAddress
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.overlap import network_warnings

pytestmark = pytest.mark.unit

PROXY = ProxySettings(listen=TcpAddress(ip_address("127.0.0.1"), 1080))
FORWARD = ForwardSettings(Endpoint("127.0.0.1", 22), tunnel_port=22)


def network(*prefixes: str, **values: object) -> NetworkConfig:
    peer = NetworkPeer("p", PUBLIC_KEYS[0], allowed_ips=tuple(map(ip_network, prefixes)))
    return NetworkConfig("a", "/k", peers=(peer,), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["kernel", "userspace", "netstack"])
def test_a_configured_backend_is_the_only_one(backend: str) -> None:
    rule = backend_rule(network("0.0.0.0/0", backend=backend))
    assert (rule.candidates, rule.excluded) == ((backend,), {})


def test_auto_without_an_entrance_is_an_interface_of_the_host() -> None:
    rule = backend_rule(network("10.0.0.0/8"))
    assert rule.candidates == ("kernel", "userspace")
    assert rule.excluded["netstack"].startswith("the network has no proxy, forward or exit")


def test_auto_with_an_exit_tries_the_netstack_last() -> None:
    assert backend_rule(network("10.0.0.0/8", exit_node=ExitNode(enabled=True))).candidates == (
        "kernel",
        "userspace",
        "netstack",
    )


@pytest.mark.parametrize("entrance", [{"socks5": PROXY}, {"mixed": PROXY}, {"forwards": (FORWARD,)}])
def test_auto_with_a_proxy_or_a_forward_is_the_backend_that_serves_it(entrance: dict[str, object]) -> None:
    rule = backend_rule(network("10.0.0.0/8", **entrance))
    assert rule.candidates == ("netstack",)
    assert rule.excluded["kernel"] == f"it does not serve {next(iter(entrance))}"


@pytest.mark.parametrize(
    ("values", "prefixes", "reason"),
    [
        ({"dns": (ip_address("10.0.0.53"),)}, ["10.0.0.0/8"], "`dns` sets the host's name servers"),
        ({}, ["10.0.0.0/8", "0.0.0.0/0"], "0.0.0.0/0 is a default route"),
        ({}, ["::/0"], "::/0 is a default route"),
        ({}, ["0.0.0.0/1", "128.0.0.0/1"], "0.0.0.0/1 is a default route"),
    ],
)
def test_auto_never_takes_a_netstack_where_host_traffic_would_leave_in_clear(
    values: dict[str, object], prefixes: list[str], reason: str
) -> None:
    with_exit = network(*prefixes, exit_node=ExitNode(enabled=True), **values)
    assert backend_rule(with_exit).candidates == ("kernel", "userspace")
    with_proxy = network(*prefixes, socks5=PROXY, **values)
    rule = backend_rule(with_proxy)
    assert rule.candidates == ()
    assert rule.excluded["netstack"].startswith(reason)
    (warning,) = (finding for finding in network_warnings(with_proxy) if finding.key == "backend")
    assert warning.expected == 'expected backend = "netstack"'


@given(network_configs | netstack_configs(), st.booleans())
def test_every_network_under_auto_keeps_the_rule(any_network: NetworkConfig, is_auto: bool) -> None:
    config = replace(any_network, backend="auto") if is_auto else any_network
    rule = backend_rule(config)
    prefixes = [prefix for peer in config.peers for prefix in peer.allowed_ips]
    if config.backend == "auto" and "netstack" in rule.candidates:
        assert config.has_entrance()
        assert not config.dns
        assert not config.exit_node.dns
        assert not taking_all(prefixes)
    if {"kernel", "userspace"}.intersection(rule.candidates):
        assert not [*config.netstack_keys()]
    assert set(rule.candidates).isdisjoint(rule.excluded)


def test_an_agent_of_stacks_alone_needs_no_privilege() -> None:
    stack, exit_node, interface = (
        network("0.0.0.0/0", backend="netstack"),
        network("10.0.0.0/8", exit_node=ExitNode(enabled=True)),
        network("10.0.0.0/8"),
    )
    assert (may_have_links([stack]), needs_net_admin([stack])) == (False, False)
    assert (may_have_links([stack, exit_node]), needs_net_admin([stack, exit_node])) == (True, False)
    assert (may_have_links([stack, interface]), needs_net_admin([stack, interface])) == (True, True)
    assert (may_have_links([]), needs_net_admin([])) == (True, True)
