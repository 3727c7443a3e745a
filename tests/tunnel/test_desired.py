"""From what a network should be to what its interface should be."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from warren._core import PresharedKey, PrivateKey
from warren.tunnel.config import Endpoint
from warren.tunnel.desired import NetworkKeys, desired_interface
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.reconcile_state import ReconcileState

pytestmark = pytest.mark.unit
OWN = PrivateKey.generate()
FIRST, SECOND = (PrivateKey.generate().public_key() for _ in range(2))
SHARED = (ip_network("10.42.0.0/16"),)
NETWORK = NetworkConfig(
    name="home",
    private_key_path="/etc/warren/home.key",
    interface="wg3",
    mtu=1300,
    addresses=(ip_interface("10.9.0.1/24"),),
    listen_port=5,
    peers=(
        NetworkPeer("first", FIRST, endpoint=Endpoint("192.0.2.1", 1), allowed_ips=SHARED),
        NetworkPeer("second", SECOND, endpoint=Endpoint("vpn.example.org", 2), allowed_ips=SHARED),
    ),
)


def test_every_value_arrives() -> None:
    psk = PresharedKey.generate()
    keys = NetworkKeys(OWN, {FIRST: psk})
    interface = desired_interface(NETWORK, keys, {FIRST: Endpoint("192.0.2.7", 7)}, frozenset({SECOND}))
    assert (interface.name, interface.mtu, interface.listen_port) == ("wg3", 1300, 5)
    assert interface.addresses == NETWORK.addresses
    assert interface.private_key == OWN
    first, second = interface.peers
    assert (first.preshared_key, first.endpoint, first.allowed_ips) == (psk, Endpoint("192.0.2.7", 7), SHARED)
    assert first.persistent_keepalive_seconds == 25
    assert (second.preshared_key, second.endpoint, second.allowed_ips) == (None, None, ())


def test_a_redundant_peer_is_kept_warm_whatever_its_keepalive() -> None:
    cold = replace(NETWORK, peers=tuple(replace(peer, persistent_keepalive_seconds=0) for peer in NETWORK.peers))
    assert [
        each.persistent_keepalive_seconds
        for each in desired_interface(cold, NetworkKeys(OWN), {}, frozenset({SECOND})).peers
    ] == [25, 25]
    alone = replace(cold, peers=cold.peers[:1])
    assert desired_interface(alone, NetworkKeys(OWN), {}).peers[0].persistent_keepalive_seconds == 0


def test_at_first_the_preferred_peer_has_the_prefixes_and_addresses_need_no_resolver() -> None:
    upkeep = ReconcileState(NETWORK, now=100.0)
    questions = upkeep.take_questions(now=100.0, jitter=0.5)
    assert [question.endpoint.host for question in questions] == ["vpn.example.org"]
    first, second = upkeep.desired(NetworkKeys(OWN)).peers
    assert (first.endpoint, first.allowed_ips) == (Endpoint("192.0.2.1", 1), SHARED)
    assert (second.endpoint, second.allowed_ips) == (None, ())
    upkeep.resolution.answered(questions[0], [Endpoint("192.0.2.9", 2)], now=101.0)
    assert upkeep.desired(NetworkKeys(OWN)).peers[1].endpoint == Endpoint("192.0.2.9", 2)


def test_a_decision_is_the_same_object_until_an_input_changes() -> None:
    state, keys = ReconcileState(NETWORK, 0.0), NetworkKeys(OWN)
    first = state.desired(keys)
    assert state.desired(keys) is first
    state.take_questions(0.0, 0.0)  # which settles the endpoint that is an address
    second = state.desired(keys)
    assert second != first
    assert state.desired(keys) is second
    assert state.desired(NetworkKeys(PrivateKey.generate())) != second
    state.change(replace(NETWORK, mtu=1400), 1.0)
    assert state.desired(keys).mtu == 1400


def test_forgotten_keys_are_in_no_decision() -> None:
    state = ReconcileState(NETWORK, 0.0)
    first = state.desired(NetworkKeys(OWN))
    state.forget_keys()
    assert state.desired(NetworkKeys(OWN)) is not first
