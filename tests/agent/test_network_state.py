"""What the agent keeps of a network, and what telemetry is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from warren._core import Event, PrivateKey
from warren.agent.network_state import NetworkState
from warren.agent.snapshot import connection_of, network_sample
from warren.errors import HostError, StateError
from warren.telemetry.conditions import Condition
from warren.telemetry.echo import Figures
from warren.telemetry.health import PeerHealth, peer_health
from warren.telemetry.sample import Connection
from warren.tunnel.lifecycle import LifecycleEvent, State
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.status import InterfaceStatus, PeerStatus

pytestmark = pytest.mark.unit
PEER = PrivateKey.generate().public_key()
CONFIG = NetworkConfig("home", "/etc/warren/home.key", peers=(NetworkPeer("far", PEER),))
STATUS = InterfaceStatus("wg0", listen_port=7, peers=(PeerStatus(PEER, latest_handshake=10.0, rx_bytes=3, tx_bytes=4),))


def up() -> NetworkState:
    """One that came up at 50."""
    state = NetworkState("home")
    state.advance(LifecycleEvent.START, 49.0)
    state.advance(LifecycleEvent.UP, 50.0)
    return state


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.UNINITIALIZED, Connection.DISCONNECTED),
        (State.STARTING, Connection.CONNECTING),
        (State.ACTIVE, Connection.CONNECTED),
        (State.STOPPING, Connection.DISCONNECTED),
        (State.STOPPED, Connection.DISCONNECTED),
        (State.ERROR, Connection.FAILED),
    ],
)
def test_the_socket_s_words_in_those_of_health(state: State, word: Connection) -> None:
    """Row H-59."""
    assert connection_of(state) is word


def test_it_is_connected_since_it_came_up_and_no_longer() -> None:
    state = up()
    since = state.connected_since
    state.advance(LifecycleEvent.STOP, 60.0)
    state.advance(LifecycleEvent.GONE, 61.0)
    assert (since, state.connected_since) == (50.0, None)


def test_a_step_that_cannot_be_changes_nothing() -> None:
    state = up()
    with pytest.raises(StateError):
        state.advance(LifecycleEvent.START, 51.0)
    assert (state.lifecycle, state.connected_since) == (State.ACTIVE, 50.0)


def test_why_it_failed_is_told_with_what_to_do_until_it_is_begun_anew() -> None:
    state = NetworkState("home")
    state.advance(LifecycleEvent.START, 1.0)
    state.fail(HostError("UDP port 7 is in use", code="host.port_in_use", hint="take another"), 2.0)
    sample = network_sample(CONFIG, state, "auto", {})
    assert (sample.connection, sample.error) == (Connection.FAILED, "UDP port 7 is in use; take another")
    state.advance(LifecycleEvent.START, 3.0)
    assert state.error is None


def test_handshakes_are_counted_by_events_or_by_their_times() -> None:
    telling, silent = up(), up()
    telling.record_status(STATUS)
    telling.record_event(Event.HandshakeCompleted(PEER))
    telling.record_event(Event.HandshakeTimedOut(PEER))
    assert (telling.handshakes_succeeded, telling.handshakes_failed) == (1, 1)
    for handshake in (None, 10.0, 10.0, 130.0):
        silent.record_status(replace(STATUS, peers=(PeerStatus(PEER, latest_handshake=handshake),)), has_events=False)
    assert silent.handshakes_succeeded == 2


def test_a_sample_has_what_was_seen_and_measured() -> None:
    state = up()
    state.record_status(STATUS)
    state.advice = (Condition("config.warning", "address: is missing"),)
    notice = Condition("dns.changed", "resolv.conf was changed by another program")
    assert state.set_warning("dns", notice)
    assert not state.set_warning("dns", notice), "that is no news"
    sample = network_sample(CONFIG, state, "kernel", {PEER: Figures(0.02, 0.5, 49.0)})
    assert (sample.backend, sample.listen_port, sample.rx_bytes, sample.tx_bytes) == ("kernel", 7, 3, 4)
    assert sample.warnings == (*state.advice, notice)
    (peer,) = sample.peers
    assert (peer.name, peer.latest_handshake, peer.latency_seconds, peer.loss_rate) == ("far", 10.0, 0.02, 0.5)


def test_a_peer_that_the_engine_does_not_know_yet_is_shown_with_the_reason() -> None:
    state = up()
    state.pending = {PEER: "vpn.example.org does not resolve"}
    (peer,) = network_sample(CONFIG, state, "auto", {}).peers
    assert (peer.latest_handshake, peer.pending) == (None, "vpn.example.org does not resolve")


@pytest.mark.parametrize(
    ("keepalive", "tx_bytes", "health"),
    [(0, 0, PeerHealth.WAITING), (25, 0, PeerHealth.UNHEALTHY), (0, 148, PeerHealth.UNHEALTHY)],
)
def test_peer_without_endpoint_and_handshake_waits_unless_something_is_wanted_from_it(
    keepalive: int, tx_bytes: int, health: PeerHealth
) -> None:
    state = up()
    state.record_status(InterfaceStatus("wg0", peers=(PeerStatus(PEER, tx_bytes=tx_bytes),)))
    config = replace(CONFIG, peers=(NetworkPeer("far", PEER, persistent_keepalive_seconds=keepalive),))
    sample = network_sample(config, state, "kernel", {})
    assert peer_health(sample, sample.peers[0], 60.0) is health
