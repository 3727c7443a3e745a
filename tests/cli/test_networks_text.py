"""Networks and peers as lines and as cells of the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.telemetry.samples import FRESH, NOW, QUIET, network
from warren.cli.networks_text import network_cells, network_lines, peer_counts, peer_lines
from warren.cli.status_table import as_table
from warren.localapi.networks import NetworkView
from warren.localapi.views import listed, peer_entries
from warren.telemetry.sample import Connection, PathMtuSample
from warren.tunnel.lifecycle import State

pytestmark = pytest.mark.unit
VIEW = NetworkView(State.ACTIVE, network(Connection.CONNECTED, FRESH, QUIET))


def listing() -> dict[str, Any]:
    """The answer of the control socket about a network with one healthy and one waiting peer."""
    return listed(VIEW, NOW)


@pytest.mark.parametrize(
    ("healthy", "waiting", "total", "text"),
    [(0, 0, 0, "0 of 0"), (2, 0, 2, "2 of 2"), (1, 1, 2, "1 of 2, 1 waiting"), (0, 3, 3, "0 of 3, 3 waiting")],
)
def test_peer_counts_name_waiting_peers(healthy: int, waiting: int, total: int, text: str) -> None:
    assert peer_counts({"healthy": healthy, "waiting": waiting, "total": total}) == text


def test_waiting_peer_is_shown_apart_in_the_list_of_networks() -> None:
    assert "1 of 2, 1 waiting" in network_cells(listing())
    assert "1 of 2, 1 waiting" in network_lines({"networks": [listing()]}).splitlines()[1]


def test_waiting_peer_is_shown_apart_in_the_drawn_table() -> None:
    assert "1 of 2, 1 waiting" in as_table((), NOW, width=120, networks=[listing()])


def test_peer_lines_name_the_health_of_each_peer() -> None:
    lines = peer_lines({"network": "default", "peers": peer_entries(VIEW, NOW)}, NOW).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["fresh", "healthy"], ["quiet", "waiting"]]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (PathMtuSample("probed", 1340, 12), "1340 (probed, 12 seconds ago)"),
        (PathMtuSample("route", 1400), "1400 (from the route)"),
        (PathMtuSample("unknown", reason="no_probe_address"), "unknown (no probe address)"),
        (None, "off"),
    ],
)
def test_peer_lines_tell_how_the_path_mtu_is_known(path: PathMtuSample | None, text: str) -> None:
    view = NetworkView(State.ACTIVE, network(Connection.CONNECTED, replace(FRESH, path_mtu=path)))
    title, line = peer_lines({"network": "default", "peers": peer_entries(view, NOW)}, NOW).splitlines()
    assert line[title.index("path MTU") :].startswith(text)
