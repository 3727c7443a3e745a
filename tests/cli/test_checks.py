"""Verdicts of `warren doctor` on what is hard to plant in a living network."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import Any

import pytest

from warren.cli.checks import Result, check_conditions, check_peer, check_routes
from warren.tunnel.routes import Route
from warren.tunnel.status import LinkStatus

pytestmark = pytest.mark.unit
NOW = 1_700_000_000.0
PEER: dict[str, Any] = {
    "name": "far",
    "health": "healthy",
    "pending": None,
    "tried": [],
    "endpoint": "192.0.2.1:51820",
    "latest_handshake": NOW - 10,
    "latency_seconds": None,
}


@pytest.mark.parametrize(
    ("changes", "result", "sentence"),
    [
        ({}, Result.OK, "at 192.0.2.1:51820"),
        ({"latest_handshake": NOW - 300, "health": "unhealthy"}, Result.WARNING, "last handshake"),
        ({"latest_handshake": None, "health": "unhealthy"}, Result.FAILED, "no handshake with 192.0.2.1:51820 yet"),
        ({"latest_handshake": None, "health": "waiting"}, Result.WARNING, "nothing was sent to 192.0.2.1:51820 yet"),
        (
            {"latest_handshake": None, "health": "waiting", "endpoint": None},
            Result.WARNING,
            "no endpoint configured and no handshake yet",
        ),
        ({"pending": "far.example does not resolve", "health": "unhealthy"}, Result.FAILED, "does not resolve"),
    ],
)
def test_check_peer_distinguishes_waiting_from_unreachable(
    changes: dict[str, Any], result: Result, sentence: str
) -> None:
    verdict = check_peer(PEER | changes, NOW)
    assert (verdict.check, verdict.result) == ("peer far", result)
    assert sentence in verdict.sentence


def test_check_routes_names_the_connected_route_that_is_missing() -> None:
    """The agent adds it again at once, unless its network is not its own to route (`table = "off"`)."""
    network = {"interface": "wg0", "addresses": ["10.9.0.1/24"]}
    peers = [{"allowed_ips": ["192.0.2.0/24"]}]
    there = Route(ip_network("192.0.2.0/24"))
    link = LinkStatus(up=True, mtu=1420, addresses=(ip_interface("10.9.0.1/24"),), all_routes=frozenset({there}))
    verdict = check_routes(network, peers, link)
    assert (verdict.result, verdict.sentence) == (Result.WARNING, "no route to wg0 for 10.9.0.0/24")


def test_check_conditions_shows_each_and_fails_only_for_those_that_degrade() -> None:
    conditions = [
        {"name": "config.rejected", "severity": "info", "message": "the file is empty"},
        {"name": "command.store_full", "severity": "degraded", "message": "the store is full"},
    ]
    verdicts = [(verdict.check, verdict.result) for verdict in check_conditions(conditions)]
    assert verdicts == [("config.rejected", Result.WARNING), ("command.store_full", Result.FAILED)]
