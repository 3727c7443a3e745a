"""A plan carried out gives what was wanted, and touches nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren._core import PresharedKey
from warren.tunnel.config import InterfaceConfig, IPInterface, PeerConfig
from warren.tunnel.nft_guard import guards_for
from warren.tunnel.plan import (
    AddConnectedRoute,
    CreateInterface,
    InterfaceChange,
    PeerChange,
    RemoveAddress,
    RemoveFallback,
    RemoveGuard,
    RemoveInterface,
    RemoveRule,
    SetRouteMtu,
    plan,
)
from warren.tunnel.routes import (
    FIRST_POLICY_TABLE,
    MAIN_TABLE,
    Fallback,
    connected_networks,
    fallbacks_for,
    policy_table,
    routes_for,
    rules_for,
)
from warren.tunnel.status import InterfaceStatus, PathMtu

from .host import SimulatedHost, prefix_length
from .strategies import PRIVATE_KEYS, PUBLIC_KEYS, interface_configs, interface_statuses

pytestmark = pytest.mark.unit
BEYOND = {4: "198.51.100.9", 6: "2001:db8:ffff::9"}
DEFAULT = (ip_network("0.0.0.0/0"), ip_network("::/0"))
HALVES = tuple(map(ip_network, ("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1")))


def facts(interface: InterfaceStatus, config: InterfaceConfig) -> dict[str, object]:
    """What a configuration can ask for, in a form that compares. Addresses of others stay and do not count."""
    assert interface.link is not None
    counted = interface.link.own_addresses.union(config.addresses)
    connected = set(connected_networks(config))
    return {
        "key": interface.public_key,
        "fwmark": interface.fwmark,
        "up": interface.link.up,
        "mtu": interface.link.mtu,
        "addresses": counted.intersection(interface.link.addresses),
        "connected": connected.intersection(interface.link.destinations),
        "fallbacks": set(interface.fallbacks),
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
        "addresses": set(config.addresses),
        "connected": set(connected_networks(config)),
        "fallbacks": set(fallbacks_for(config)),
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
    for _ in range(3):  # what another program took away from the kernel's own may show only when the rest is there
        host.run(plan(desired, host.interface))

    assert facts(host.present, desired) == wanted(desired)
    assert host.present.probe_sources in {None, desired.probe_sources()}
    endpoints = {peer.public_key: peer.endpoint for peer in host.present.peers}
    assert all(peer.endpoint in {None, endpoints[peer.public_key]} for peer in desired.peers)
    assert desired.listen_port in {0, host.present.listen_port}
    assert plan(desired, host.present) == ()


@given(desired=interface_configs, observed=interface_statuses)
def test_a_peer_without_difference_is_not_named(desired: InterfaceConfig, observed: InterfaceStatus) -> None:
    host = SimulatedHost(observed)
    for _ in range(3):
        host.run(plan(desired, host.interface))
    for gone in desired.peers:
        others = tuple(peer for peer in desired.peers if peer is not gone)
        steps = plan(replace(desired, peers=others), host.present)
        changes = [change for step in steps if isinstance(step, InterfaceChange) for change in step.peers]
        assert changes == [PeerChange(gone.public_key, remove=True)]


def test_paths_are_probed_from_the_own_addresses_if_the_engine_can() -> None:
    probed = ip_address("10.0.0.9")
    peer = PeerConfig(PUBLIC_KEYS[0], allowed_ips=(ip_network("10.0.0.0/24"),), probe=probed)
    addresses = (ip_interface("10.1.0.1/24"), ip_interface("fe80::1/64"))
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0], addresses=addresses, peers=(peer,), pmtu=True)
    host = SimulatedHost(None)
    host.run(plan(config, None))
    assert (host.present.probe_sources, host.present.peers[0].probe_address) == ((addresses[0].ip,), probed)

    unset = replace(config, peers=(replace(peer, probe=None),))
    host.run(plan(unset, host.present))
    assert host.present.peers[0].probe_address is None
    assert plan(replace(config, pmtu=False), host.present) == (InterfaceChange(probe_sources=()),)
    assert plan(config, replace(host.present, probe_sources=None)) == ()


def test_the_routes_of_a_peer_follow_its_path_mtu() -> None:
    narrow, wide = (
        PeerConfig(key, allowed_ips=tuple(map(ip_network, prefixes)))
        for key, prefixes in zip(PUBLIC_KEYS, (("10.0.0.0/24", "fd00::/64"), ("10.0.1.0/24",)), strict=False)
    )
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=(narrow, wide), pmtu=True)
    host = SimulatedHost(None)
    host.run(plan(config, None))

    def learn(first: PathMtu, second: PathMtu) -> dict[str, int | None]:
        peers = (replace(peer, path_mtu=path) for peer, path in zip(host.present.peers, (first, second), strict=True))
        host.interface = replace(host.present, peers=tuple(peers))
        steps = plan(config, host.present)
        assert all(isinstance(step, SetRouteMtu) for step in steps), "the routes stay meanwhile"
        host.run(steps)
        assert plan(config, host.present) == ()
        return {str(route.destination): route.mtu for route in host.link.routes}

    unknown = PathMtu("unknown", reason="searching")
    assert set(learn(unknown, unknown).values()) == {None}
    found = learn(PathMtu("probed", 1220, 3), PathMtu("probed", 1420, 3))
    assert found == {"10.0.0.0/24": 1220, "fd00::/64": 1280, "10.0.1.0/24": None}
    assert set(learn(unknown, PathMtu("route", 1400)).values()) == {None, 1400}
    off = replace(config, pmtu=False)
    host.run(plan(off, host.present))
    assert {route.mtu for route in host.link.routes} == {None}


def _connects_beyond(address: IPInterface) -> bool:
    """Return whether the kernel's route to the network of the address would take what only a default route is for."""
    return ip_address(BEYOND[address.version]) in address.network


full_tunnels = st.builds(
    lambda config, mark, default: replace(
        config,
        table="auto",
        fwmark=mark,
        addresses=tuple(address for address in config.addresses if not _connects_beyond(address)),
        peers=(PeerConfig(PUBLIC_KEYS[0], allowed_ips=default),),
    ),
    interface_configs,
    st.sampled_from([0, 7, FIRST_POLICY_TABLE]),
    st.sampled_from([DEFAULT[:1], DEFAULT[1:], DEFAULT, (*DEFAULT, ip_network("10.0.0.0/24")), HALVES]),
)


EDITS: tuple[Callable[[SimulatedHost], None], ...] = (
    SimulatedHost.set_down,
    SimulatedHost.flush_routes,
    SimulatedHost.stop_promotion,
    lambda host: host.flush_addresses(4),
    lambda host: host.set_mtu(1000),
)


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
    fallback = RemoveFallback(Fallback(default[0], FIRST_POLICY_TABLE))
    assert plan(None, host.present) == (*rules, RemoveGuard("wg0", 4), fallback, RemoveInterface("wg0"))
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
    assert facts(host.present, after) == wanted(after)


def test_addresses_that_warren_did_not_add_stay() -> None:
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0])
    host = SimulatedHost()
    host.run(plan(config, None))
    host.add_address(ip_interface("fe80::1/64"))
    host.add_address(ip_interface("10.9.0.200/32"))
    assert plan(config, host.present) == ()
    assert host.link.foreign_addresses(config.addresses) == (ip_interface("10.9.0.200/32"),)


def test_a_link_local_address_leaves_with_the_configuration() -> None:
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0], addresses=(ip_interface("fe80::7/64"),))
    host = SimulatedHost()
    host.run(plan(config, None))
    assert plan(replace(config, addresses=()), host.present) == (RemoveAddress(ip_interface("fe80::7/64")),)


def test_a_connected_route_that_others_deleted_is_added_again() -> None:
    address = ip_interface("10.9.0.1/24")
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0], addresses=(address,))
    host = SimulatedHost()
    host.run(plan(config, None))
    host.flush_routes()
    assert plan(config, host.present) == (AddConnectedRoute(address),)
    assert plan(replace(config, table="off"), host.present) == ()


@given(before=full_tunnels, after=full_tunnels)
def test_from_one_full_tunnel_to_another_no_step_opens_it(before: InterfaceConfig, after: InterfaceConfig) -> None:
    """Also the engine's own datagrams never enter the tunnel that they carry."""
    host = SimulatedHost()
    host.run(plan(before, None))
    versions = {rule.version for rule in rules_for(before)} & {rule.version for rule in rules_for(after)}
    for step in plan(after, host.present):
        host.step(step)
        assert {host.takes(BEYOND[version], mark=0) for version in versions} <= {"tunnel", "refused"}, step
        marked = {host.takes(BEYOND[version], host.present.fwmark) for version in (4, 6)}
        assert marked <= {"clear"}, step
    assert plan(after, host.present) == ()
    assert {host.takes(BEYOND[version], mark=0) for version in versions} <= {"tunnel"}


@given(config=full_tunnels, edits=st.lists(st.sampled_from(EDITS), max_size=4))
def test_what_others_take_from_the_link_never_opens_a_full_tunnel(
    config: InterfaceConfig, edits: list[Callable[[SimulatedHost], None]]
) -> None:
    host = SimulatedHost()
    host.run(plan(config, None))
    versions = {rule.version for rule in rules_for(config)}
    for edit in edits:
        edit(host)
        assert "clear" not in {host.takes(BEYOND[version], mark=0) for version in versions}
        for _ in range(2):
            for step in plan(config, host.present):
                host.step(step)
                assert "clear" not in {host.takes(BEYOND[version], mark=0) for version in versions}
        assert plan(config, host.present) == ()
        assert {host.takes(BEYOND[version], mark=0) for version in versions} == {"tunnel"}


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
