"""The documents of the local HTTP (H-58, H-59, P-41, P-42, P-44, X-13, X-38)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given

from tests.telemetry.samples import FRESH, NOW, PUBLIC_KEYS, QUIET, STALE, agents, network
from warren.localapi import http_views
from warren.localapi.networks import NetworkView
from warren.telemetry.conditions import Condition
from warren.telemetry.health import assess
from warren.telemetry.sample import Connection, NetworkSample, PeerSample
from warren.tunnel.lifecycle import State

pytestmark = pytest.mark.unit

C = Connection
DEFAULT = network(C.CONNECTED, FRESH, succeeded=197, failed=3)


def test_healthz_has_the_keys_of_the_harmony_agent_interface() -> None:
    assert json.loads(json.dumps(http_views.healthz(assess([DEFAULT], NOW)))) == {
        "status": "healthy",
        "timestamp": "2023-11-14T22:13:20Z",
        "networks": {
            "default": {
                "status": "healthy",
                "state": "connected",
                "peerHealth": 100.0,
                "handshakeRate": 98.5,
                "peersTotal": 1,
                "peersHealthy": 1,
                "peersWaiting": 0,
            }
        },
    }


def test_healthz_counts_waiting_peers_apart_from_healthy_ones() -> None:
    (document,) = http_views.healthz(assess([network(C.CONNECTED, FRESH, QUIET)], NOW))["networks"].values()  # type: ignore[attr-defined]
    assert (document["status"], document["peerHealth"]) == ("healthy", 100.0)
    assert (document["peersTotal"], document["peersHealthy"], document["peersWaiting"]) == (2, 1, 1)


def test_healthz_lists_conditions() -> None:
    found = http_views.healthz(assess([DEFAULT], NOW, [Condition("audit.unwritable", "the clock is 90 s behind")]))
    assert found["status"] == "degraded"
    assert found["conditions"] == [
        {"name": "audit.unwritable", "severity": "degraded", "message": "the clock is 90 s behind"}
    ]


@pytest.mark.parametrize(
    ("connections", "state"),
    [
        ([], "disconnected"),
        ([C.CONNECTED], "connected"),
        ([C.CONNECTED, C.CONNECTED], "connected"),
        ([C.FAILED], "failed"),
        ([C.CONNECTED, C.FAILED], "degraded"),
        ([C.CONNECTING, C.DISCONNECTED], "degraded"),
    ],
)
def test_mesh_state_is_common_to_all_networks_or_degraded(connections: Sequence[Connection], state: str) -> None:
    samples = [network(connection, FRESH, name=str(number)) for number, connection in enumerate(connections)]
    assert http_views.health(assess(samples, NOW), samples)["mesh"]["state"] == state  # type: ignore[index]


def test_health_counts_peers_of_networks_that_are_up() -> None:
    samples = [network(C.CONNECTED, FRESH, STALE), network(C.FAILED, FRESH, name="other")]
    assert http_views.health(assess(samples, NOW), samples) == {
        "status": "unhealthy",
        "mesh": {
            "state": "degraded",
            "peers_total": 3,
            "peers_connected": 1,
            "last_sync": None,
            "revision": None,
            "layer": None,
        },
        "health_score": 33.3,
    }


@given(agents)
def test_healthz_health_metrics_and_status_agree(samples: Sequence[NetworkSample]) -> None:
    judged = assess(samples, NOW)
    healthz, health = http_views.healthz(judged), http_views.health(judged, samples)
    assert healthz["status"] == health["status"] == judged.status
    if len(samples) == 1:
        (only,) = healthz["networks"].values()  # type: ignore[attr-defined]
        assert only["peerHealth"] == health["health_score"]
    json.dumps([healthz, health, http_views.peers(samples, NOW)], allow_nan=False)


def test_peers_have_the_keys_of_the_privateer_interface() -> None:
    measured = replace(
        FRESH,
        endpoint="192.0.2.1:51820",
        allowed_ips=("10.42.0.7/32", "10.43.0.0/16"),
        rx_bytes=100,
        tx_bytes=10,
        latency_seconds=0.25,
        loss_rate=0.05,
    )
    new = PeerSample("new", PUBLIC_KEYS[3])
    first, second, third = http_views.peers([network(C.CONNECTED, measured, QUIET, new)], NOW)
    assert first == {
        "node_id": None,
        "name": "fresh",
        "network": "default",
        "public_key": PUBLIC_KEYS[0],
        "endpoint": "192.0.2.1:51820",
        "wireguard_ip": "10.42.0.7",
        "allowed_ips": ["10.42.0.7/32", "10.43.0.0/16"],
        "state": "connected",
        "last_handshake_seconds": 1.0,
        "latency_ms": 250.0,
        "packet_loss_ratio": 0.05,
        "bytes_sent": 10,
        "bytes_received": 100,
    }
    assert (second["state"], third["state"]) == ("idle", "connecting")
    unknown = ("endpoint", "wireguard_ip", "last_handshake_seconds", "latency_ms", "packet_loss_ratio")
    assert [third[key] for key in unknown] == [None] * len(unknown)


def test_info_describes_the_first_network_with_a_key() -> None:
    down = NetworkView(State.ERROR, network(C.FAILED, name="first"))
    sample = network(
        C.CONNECTED, name="second", public_key=PUBLIC_KEYS[0], addresses=("10.0.0.1/24", "fd00::1/64"), mtu=1420
    )
    info = http_views.info([down, NetworkView(State.ACTIVE, sample)], "1.2.3", {"http.port": 9090})
    assert {key: info[key] for key in ("version", "interface", "wireguard_ip", "public_key", "config")} == {
        "version": "1.2.3",
        "interface": "wg0",
        "wireguard_ip": "10.0.0.1",
        "public_key": PUBLIC_KEYS[0],
        "config": {"http.port": 9090},
    }
    assert [(each["name"], each["state"]) for each in info["networks"]] == [  # type: ignore[attr-defined]
        ("first", "error"),
        ("second", "active"),
    ]
    assert http_views.info([], "1.2.3", {})["public_key"] is None
