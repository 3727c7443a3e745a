"""What the table of metrics makes of samples (H-62 to H-66, P-46 to P-50, X-15)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given

from tests.project.conftest import ROOT
from warren.telemetry.conditions import Condition
from warren.telemetry.health import assess
from warren.telemetry.metrics import Family, Kind, Scrape, families
from warren.telemetry.sample import Connection, NetworkSample, PeerSample
from warren.telemetry.totals import Totals

from .samples import FRESH, NOW, PUBLIC_KEYS, QUIET, STALE, agents, network

pytestmark = pytest.mark.unit

SEEN = replace(FRESH, rx_bytes=100, tx_bytes=10, latency_seconds=0.25, loss_rate=0.05)
DEFAULT = network(
    Connection.CONNECTED, SEEN, STALE, succeeded=150, failed=2, rx_bytes=100, tx_bytes=10, connected_since=NOW - 3600
)
OTHER = network(
    Connection.CONNECTING, QUIET, name="other", succeeded=1, rx_bytes=7, tx_bytes=3, connected_since=NOW - 60
)


def scraped(
    *samples: NetworkSample, conditions: Sequence[Condition] = (), aliases: bool = True
) -> dict[str, dict[tuple[str, ...], float]]:
    """Family to label values to value."""
    made = families(scrape(*samples, conditions=conditions), aliases=aliases)
    return {
        family.name: {tuple(value for _, value in point.labels): point.value for point in family.points}
        for family in made
    }


def scrape(*samples: NetworkSample, conditions: Sequence[Condition] = ()) -> Scrape:
    """As an agent makes it."""
    return Scrape(samples, Totals().add_up(samples), assess(samples, NOW, conditions), "1.2.3")


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("harmony_agent_bytes_transmitted_total", {(): 13}),
        ("harmony_agent_bytes_received_total", {(): 107}),
        ("harmony_agent_active_peers", {(): 1}),
        ("harmony_agent_handshake_success_total", {(): 151}),
        ("harmony_agent_handshake_failure_total", {(): 2}),
        ("harmony_agent_connection_uptime_seconds", {(): 3600}),
        ("harmony_agent_info", {("1.2.3",): 1}),
        ("harmony_agent_peer_latency_milliseconds", {("default", "fresh"): 250}),
        ("harmony_agent_packet_loss_rate", {("default", "fresh"): 0.05}),
        ("wg_network_state", {("default",): 2, ("other",): 1}),
        ("wg_bytes_transmitted", {("default",): 10, ("other",): 3}),
        ("wg_bytes_received", {("default",): 100, ("other",): 7}),
        ("wg_peers_total", {("default",): 2, ("other",): 1}),
        ("wg_peers_active", {("default",): 1, ("other",): 0}),
    ],
)
def test_the_names_of_document_000(name: str, points: dict[tuple[str, ...], float]) -> None:
    assert scraped(DEFAULT, OTHER)[name] == points


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("privateer_peer_count", {(): 1}),
        ("privateer_peer_latency_ms", {("default", "fresh"): 250}),
        ("privateer_packet_loss_ratio", {("default", "fresh"): 0.05}),
        ("privateer_bytes_sent", {("default", "fresh"): 10, ("default", "stale"): 0, ("other", "quiet"): 0}),
        ("privateer_bytes_received", {("default", "fresh"): 100, ("default", "stale"): 0, ("other", "quiet"): 0}),
        ("privateer_last_handshake_seconds", {("default", "fresh"): 1, ("default", "stale"): 180}),
    ],
)
def test_the_names_of_document_003(name: str, points: dict[tuple[str, ...], float]) -> None:
    assert scraped(DEFAULT, OTHER)[name] == points


def test_every_name_that_the_documents_themselves_hold_is_there() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT.parent / "shared" / "seeds").glob("*.txt")]
    named = {"harmony_agent_active_peers", "privateer_peer_count"}.union(
        *(re.findall(r"\b(?:harmony_agent|privateer)_[a-z_]+\b", text) for text in texts)
    )
    assert named <= scraped(DEFAULT, OTHER).keys()


def test_names_of_our_own_say_the_same() -> None:
    made = scraped(DEFAULT, OTHER)
    assert made["warren_network_receive_bytes_total"] == made["wg_bytes_received"]
    assert made["warren_peer_transmit_bytes_total"] == made["privateer_bytes_sent"]
    assert made["warren_peer_last_handshake_timestamp_seconds"] == {
        ("default", "fresh"): NOW - 1,
        ("default", "stale"): NOW - 180,
    }
    assert made["warren_network_uptime_seconds"] == {("default",): 3600, ("other",): 60}
    assert made["warren_network_handshakes_total"][("default", "failure")] == 2
    assert {labels for labels, value in made["warren_network_state"].items() if value} == {
        ("default", "connected"),
        ("other", "connecting"),
    }
    assert {labels for labels, value in made["warren_network_status"].items() if value} == {
        ("default", "healthy"),
        ("other", "degraded"),
    }


def test_nobody_is_healthy_where_the_network_is_down() -> None:
    assert scraped(network(Connection.FAILED, QUIET))["warren_peer_health"] == {
        ("default", "quiet", "healthy"): 0,
        ("default", "quiet", "waiting"): 0,
        ("default", "quiet", "unhealthy"): 1,
    }


def test_waiting_peers_are_counted_apart_from_healthy_ones() -> None:
    made = scraped(network(Connection.CONNECTED, FRESH, QUIET))
    assert made["warren_network_peers"] == {
        ("default", "healthy"): 1,
        ("default", "waiting"): 1,
        ("default", "unhealthy"): 0,
    }
    assert {labels for labels, value in made["warren_peer_health"].items() if value} == {
        ("default", "fresh", "healthy"),
        ("default", "quiet", "waiting"),
    }
    assert made["warren_health_score"] == {(): 100.0}


def test_aliases_are_left_out_unless_asked_for() -> None:
    assert {name.partition("_")[0] for name in scraped(DEFAULT, aliases=False)} == {"warren"}
    assert {name.partition("_")[0] for name in scraped(DEFAULT)} == {"warren", "harmony", "wg", "privateer"}


def test_conditions_are_counted_by_name() -> None:
    expiry = Condition("trust.expiring", "the certificate ends in 3 days")
    made = scraped(network(Connection.FAILED, error="busy"), conditions=[expiry, expiry])
    assert made["warren_conditions"] == {("trust.expiring", "degraded"): 2, ("network.failed", "degraded"): 1}


def test_nothing_is_said_of_what_is_not_known() -> None:
    made = scraped(network(Connection.CONNECTED, PeerSample("new", PUBLIC_KEYS[0])))
    unknown = {
        "harmony_agent_peer_latency_milliseconds",
        "harmony_agent_packet_loss_rate",
        "privateer_last_handshake_seconds",
        "warren_peer_last_handshake_timestamp_seconds",
        "warren_network_uptime_seconds",
    }
    assert not unknown & made.keys()
    assert made["harmony_agent_connection_uptime_seconds"] == {(): 0}


def test_peers_that_share_a_name_are_told_apart_by_their_keys() -> None:
    peers = [PeerSample(name, key) for name, key in zip(("a", "b", "b", ""), PUBLIC_KEYS, strict=True)]
    made = scraped(network(Connection.CONNECTED, *peers))
    assert [peer for _, peer in made["warren_peer_transmit_bytes_total"]] == ["a", *PUBLIC_KEYS[1:]]


@given(agents)
def test_no_family_mixes_labels_or_names_a_point_twice(samples: Sequence[NetworkSample]) -> None:
    made = families(scrape(*samples), aliases=True)
    assert len({family.name for family in made}) == len(made)
    for family in made:
        assert len({tuple(name for name, _ in point.labels) for point in family.points}) == 1
        assert len({point.labels for point in family.points}) == len(family.points)
        assert_named_for_its_kind(family)


def assert_named_for_its_kind(family: Family) -> None:
    """The ends that OpenMetrics 1.0.0 wants."""
    match family.kind:
        case Kind.COUNTER:
            assert family.name.endswith("_total")
            assert all(point.value >= 0 for point in family.points)
        case Kind.INFO:
            assert family.name.endswith("_info")
        case Kind.GAUGE | Kind.UNKNOWN:
            pass
