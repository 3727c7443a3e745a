"""A plan carried out gives what was wanted, and touches nothing else."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Interface, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren._core import PresharedKey
from warren.tunnel.config import InterfaceConfig, IPInterface, PeerConfig
from warren.tunnel.nft_guard import guards_for
from warren.tunnel.plan import (
    AddAddress,
    CreateInterface,
    InterfaceChange,
    PeerChange,
    RemoveAddress,
    RemoveGuard,
    RemoveInterface,
    RemoveRule,
    plan,
)
from warren.tunnel.routes import MAIN_TABLE, policy_table, routes_for, rules_for
from warren.tunnel.status import InterfaceStatus

from .host import SimulatedHost, prefix_length
from .strategies import PRIVATE_KEYS, PUBLIC_KEYS, interface_configs, interface_statuses

pytestmark = pytest.mark.unit


def is_kernels(address: IPInterface) -> bool:
    """What a link that speaks IPv6 gives itself."""
    return isinstance(address, IPv6Interface) and address.is_link_local


def facts(interface: InterfaceStatus) -> dict[str, object]:
    """What a configuration can ask for, in a form that compares."""
    assert interface.link is not None
    return {
        "key": interface.public_key,
        "fwmark": interface.fwmark,
        "up": interface.link.up,
        "mtu": interface.link.mtu,
        "addresses": {address for address in interface.link.addresses if not is_kernels(address)},
        "routes": set(interface.link.routes),
        "rules": set(interface.rules),
        "guards": set(interface.guards or ()),
        "peers": {
            peer.public_key: (
                PresharedKey.none().to_base64() if peer.preshared_key is None else peer.preshared_key.to_base64(),
                set(peer.allowed_ips),
                peer.persistent_keepalive_seconds,
            )
            for peer in interface.peers
        },
    }


def wanted(config: InterfaceConfig) -> dict[str, object]:
    """The same of a configuration."""
    return {
        "key": config.private_key.public_key(),
        "fwmark": policy_table(config) or config.fwmark,
        "up": True,
        "mtu": config.mtu,
        "addresses": {address for address in config.addresses if not is_kernels(address)},
        "routes": set(routes_for(config)),
        "rules": set(rules_for(config)),
        "guards": set(guards_for(config)),
        "peers": {
            peer.public_key: (
                (peer.preshared_key or PresharedKey.none()).to_base64(),
                set(peer.allowed_ips),
                peer.persistent_keepalive_seconds,
            )
            for peer in config.peers
        },
    }


@given(desired=interface_configs, observed=st.none() | interface_statuses)
def test_carried_out_it_gives_what_was_wanted(desired: InterfaceConfig, observed: InterfaceStatus | None) -> None:
    host = SimulatedHost(observed)
    host.run(plan(desired, observed))

    assert facts(host.present) == wanted(desired)
    endpoints = {peer.public_key: peer.endpoint for peer in host.present.peers}
    assert all(peer.endpoint in {None, endpoints[peer.public_key]} for peer in desired.peers)
    assert desired.listen_port in {0, host.present.listen_port}
    assert plan(desired, host.present) == ()


@given(desired=interface_configs, observed=interface_statuses)
def test_a_peer_without_difference_is_not_named(desired: InterfaceConfig, observed: InterfaceStatus) -> None:
    host = SimulatedHost(observed)
    host.run(plan(desired, observed))
    for gone in desired.peers:
        others = tuple(peer for peer in desired.peers if peer is not gone)
        steps = plan(replace(desired, peers=others), host.present)
        changes = [change for step in steps if isinstance(step, InterfaceChange) for change in step.peers]
        assert changes == [PeerChange(gone.public_key, remove=True)]


def takes_too_much(interface: InterfaceStatus) -> bool:
    """Whether a rule leads into the interface's table before the main one was asked for longer prefixes."""
    first = {
        (rule.version, rule.fwmark, rule.suppress_prefix_length) for rule in interface.rules if rule.table == MAIN_TABLE
    }
    own = {(rule.version, rule.fwmark, prefix_length(rule)) for rule in interface.rules if rule.table != MAIN_TABLE}
    return any(length not in (32, 128) and (version, mark, length) not in first for version, mark, length in own)


@given(before=interface_configs, after=st.none() | interface_configs)
def test_from_one_to_another_no_step_takes_what_has_a_better_route(
    before: InterfaceConfig, after: InterfaceConfig | None
) -> None:
    host = SimulatedHost()
    for desired in (before, after):
        for step in plan(desired, host.interface):
            host.step(step)
            assert host.interface is None or not takes_too_much(host.interface)


def test_a_default_route_goes_with_its_rules_and_mark() -> None:
    default = (ip_network("0.0.0.0/0"), ip_network("10.1.0.0/16"))
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=(PeerConfig(PUBLIC_KEYS[0], allowed_ips=default),))
    host = SimulatedHost()
    host.run(plan(config, None))
    assert (host.present.fwmark, len(host.present.rules)) == (51820, 2)
    assert host.present.guards == guards_for(config) != ()

    rules = tuple(map(RemoveRule, reversed(host.present.rules)))
    assert plan(None, host.present) == (*rules, RemoveGuard("wg0", 4), RemoveInterface("wg0"))
    host.run(plan(replace(config, peers=(PeerConfig(PUBLIC_KEYS[0], allowed_ips=default[1:]),)), host.present))
    assert (host.present.fwmark, host.present.rules, host.present.guards) == (0, (), ())


def test_where_the_kernel_has_no_tables_none_is_asked_for() -> None:
    default = (PeerConfig(PUBLIC_KEYS[0], allowed_ips=(ip_network("::/0"),)),)
    config, without = InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=default), InterfaceStatus("wg0", guards=None)
    host = SimulatedHost(without)
    host.run(plan(config, without))
    assert (len(host.present.rules), host.present.guards) == (2, None)
    assert plan(config, host.present) == ()


def test_a_prefix_moves_between_peers() -> None:
    first, second = PUBLIC_KEYS[:2]
    left, right = (ip_network("10.1.0.0/16"),), (ip_network("10.2.0.0/16"),)
    peers = PeerConfig(first, allowed_ips=left), PeerConfig(second, allowed_ips=right)
    swapped = PeerConfig(first, allowed_ips=right), PeerConfig(second, allowed_ips=left)
    before = InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=peers)
    after = replace(before, peers=swapped)
    host = SimulatedHost()
    host.run(plan(before, None))
    host.run(plan(after, host.present))
    assert facts(host.present) == wanted(after)


def test_the_address_that_the_kernel_gave_stays() -> None:
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0])
    host = SimulatedHost()
    host.run(plan(config, None))
    host.step(AddAddress(ip_interface("fe80::1/64")))
    assert plan(config, host.present) == ()
    host.step(AddAddress(ip_interface("169.254.0.1/16")))
    assert plan(config, host.present) == (RemoveAddress(ip_interface("169.254.0.1/16")),)


def test_nothing_from_nothing() -> None:
    assert plan(None, None) == ()


def test_making_and_removing() -> None:
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0])
    steps = plan(config, None)
    assert steps[0] == CreateInterface("wg0")
    host = SimulatedHost()
    host.run(steps)
    assert plan(None, host.present) == (RemoveInterface("wg0"),)


def test_an_interface_is_not_renamed() -> None:
    with pytest.raises(ValueError, match="wg1 cannot become wg0"):
        plan(InterfaceConfig("wg0", PRIVATE_KEYS[0]), InterfaceStatus("wg1"))
