"""What clients see of networks (H-32, H-34)."""

from __future__ import annotations

import json

import pytest

from tests.telemetry.samples import FRESH, QUIET
from tests.telemetry.samples import NOW as SAMPLED_AT
from tests.telemetry.samples import network as sampled
from warren.localapi.networks import NetworkView
from warren.localapi.views import listed, peer_entries, status
from warren.telemetry.sample import Connection
from warren.tunnel.lifecycle import LifecycleEvent, State

from .simulator import NOW, SimulatedNetwork, config

pytestmark = pytest.mark.unit


def network(*steps: LifecycleEvent) -> SimulatedNetwork:
    """The network `default` after these steps."""
    found = SimulatedNetwork(config())
    for step in steps:
        found.go(step)
    return found


def test_status_shows_a_connected_network() -> None:
    assert status(network(LifecycleEvent.START, LifecycleEvent.UP).view(), NOW) == {
        "network": "default",
        "state": "active",
        "interface": "wg0",
        "peers": {"total": 2, "active": 1, "healthy": 1, "waiting": 0, "names": ["gateway-1", "gateway-2"]},
        "traffic": {"tx_bytes": 5, "rx_bytes": 14},
    }


def test_peer_with_an_old_session_or_a_stopped_network_is_inactive() -> None:
    def counts(found: SimulatedNetwork, now: float) -> object:
        return status(found.view(), now)["peers"]

    none = {"total": 2, "active": 0, "healthy": 0, "waiting": 0, "names": ["gateway-1", "gateway-2"]}
    assert counts(network(LifecycleEvent.START, LifecycleEvent.UP), NOW + 180) == none
    assert counts(network(LifecycleEvent.START), NOW) == none
    assert counts(network(), NOW) == none


def test_listed_network_has_its_origin_and_health() -> None:
    entry = listed(network(LifecycleEvent.START, LifecycleEvent.UP).view(), NOW)
    assert entry.items() >= status(network(LifecycleEvent.START, LifecycleEvent.UP).view(), NOW).items()
    assert (entry["origin"], entry["connection"], entry["health"]) == ("file", "connected", "healthy")
    assert json.loads(json.dumps(entry)) == entry


def test_peers_follow_the_order_of_the_configuration() -> None:
    found = network(LifecycleEvent.START, LifecycleEvent.UP)
    first, second = peer_entries(found.view(), NOW)
    assert (first["name"], first["active"], first["health"]) == ("gateway-1", True, "healthy")
    assert (second["name"], second["active"], second["latest_handshake"]) == ("gateway-2", False, None)
    starting = peer_entries(network(LifecycleEvent.START).view(), NOW)
    assert [(entry["active"], entry["health"]) for entry in starting] == [(False, "unhealthy")] * 2
    assert found.state is State.ACTIVE


def test_waiting_peer_is_counted_and_named_apart_from_healthy_ones() -> None:
    view = NetworkView(State.ACTIVE, sampled(Connection.CONNECTED, FRESH, QUIET))
    counts = {"total": 2, "active": 1, "healthy": 1, "waiting": 1, "names": ["fresh", "quiet"]}
    assert status(view, SAMPLED_AT)["peers"] == listed(view, SAMPLED_AT)["peers"] == counts
    assert [entry["health"] for entry in peer_entries(view, SAMPLED_AT)] == ["healthy", "waiting"]
