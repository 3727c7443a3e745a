"""Metrics as text, read back by the strict parsers of prometheus-client and by Prometheus's own promtool (H-66)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from warren.telemetry.exposition import (
    OPENMETRICS,
    PROMETHEUS,
    exposition,
    openmetrics_text,
    prometheus_text,
    wants_openmetrics,
)
from warren.telemetry.metrics import Family, families
from warren.telemetry.sample import Connection, NetworkSample

from .samples import agents, network
from .test_metrics import DEFAULT, OTHER, scrape

pytestmark = pytest.mark.unit

Points = set[tuple[str, frozenset[tuple[str, str]], float]]
# What Prometheus 3 sends.
SCRAPER = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
# Documents 000 and 003 fix these names, which are not as Prometheus would have them.
ACCEPTED = {
    "harmony_agent_peer_latency_milliseconds",
    "wg_peers_total",
    "privateer_peer_count",
    "privateer_peer_latency_ms",
}


def points(made: Iterable[Family]) -> Points:
    """What should be read back."""
    return {(family.name, frozenset(point.labels), point.value) for family in made for point in family.points}


def read(metrics: Iterable[Metric]) -> Points:
    """What was read back."""
    return {
        (sample.name, frozenset(sample.labels.items()), sample.value) for metric in metrics for sample in metric.samples
    }


@given(agents)
def test_both_formats_are_read_back_as_they_were(samples: Sequence[NetworkSample]) -> None:
    made = families(scrape(*samples), aliases=True)
    assert read(parse_prometheus(prometheus_text(made))) == points(made)
    assert read(parse_openmetrics(openmetrics_text(made))) == points(made)  # type: ignore[no-untyped-call]


def test_each_family_has_one_help_and_one_type() -> None:
    made = families(scrape(DEFAULT, OTHER), aliases=True)
    for text in (prometheus_text(made), openmetrics_text(made)):
        for word in ("HELP", "TYPE"):
            named = re.findall(rf"^# {word} (\S+)", text, re.MULTILINE)
            assert len(named) == len(set(named)) == len(made)


def test_the_six_lines_of_document_000_stand_as_it_shows_them() -> None:
    lines = prometheus_text(families(scrape(DEFAULT, OTHER), aliases=True)).splitlines()
    assert {line for line in lines if re.match(r"harmony_agent_\w+ ", line)} == {
        "harmony_agent_bytes_transmitted_total 13",
        "harmony_agent_bytes_received_total 107",
        "harmony_agent_active_peers 1",
        "harmony_agent_handshake_success_total 151",
        "harmony_agent_handshake_failure_total 2",
        "harmony_agent_connection_uptime_seconds 3600",
    }


def test_a_large_count_stays_whole() -> None:
    made = families(scrape(network(Connection.CONNECTED, rx_bytes=2**64 - 1)), aliases=True)
    assert "\nharmony_agent_bytes_received_total 18446744073709551615\n" in prometheus_text(made)


def test_what_a_name_holds_cannot_end_its_line() -> None:
    made = families(scrape(network(Connection.CONNECTED, name='a"b\\c\nwarren_info 7')), aliases=False)
    assert 'warren_network_peers{network="a\\"b\\\\c\\nwarren_info 7",health="waiting"} 0\n' in prometheus_text(made)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/html, application/xhtml+xml, */*;q=0.8", False),
        (SCRAPER, True),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0", True),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.9", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=much", False),
        (";;;,,=q", False),
    ],
)
def test_openmetrics_comes_on_request(accept: str, openmetrics: bool) -> None:
    made = families(scrape(DEFAULT), aliases=True)
    assert wants_openmetrics(accept) is openmetrics
    content_type, body = exposition(made, accept)
    assert content_type == (OPENMETRICS if openmetrics else PROMETHEUS)
    assert body.endswith(b"\n# EOF\n") is openmetrics


@pytest.mark.integration
@pytest.mark.needs("promtool")
def test_promtool_complains_of_names_alone_that_documents_fix() -> None:
    text = prometheus_text(families(scrape(DEFAULT, OTHER), aliases=True))
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert {line.partition(" ")[0] for line in (done.stdout + done.stderr).splitlines()} <= ACCEPTED
