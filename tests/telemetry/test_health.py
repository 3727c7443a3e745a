"""The rules of health, line by line (H-60)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given

from warren.telemetry.conditions import Condition, Severity
from warren.telemetry.health import PeerHealth, Status, assess, handshake_age_seconds, peer_health
from warren.telemetry.sample import Connection, NetworkSample, PeerSample

from .samples import FRESH, NOW, QUIET, STALE, agents, network

pytestmark = pytest.mark.unit

C = Connection
HEALTHY, DEGRADED, UNHEALTHY = Status


@pytest.mark.parametrize(
    ("sample", "status"),
    [
        (network(C.DISCONNECTED, FRESH), UNHEALTHY),
        (network(C.FAILED, FRESH), UNHEALTHY),
        (network(C.CONNECTING), DEGRADED),
        (network(C.CONNECTING, STALE), DEGRADED),
        (network(C.DEGRADED, FRESH), DEGRADED),
        (network(C.CONNECTED, FRESH), HEALTHY),
        (network(C.CONNECTED), HEALTHY),
        (network(C.CONNECTED, QUIET), HEALTHY),
        (network(C.CONNECTED, STALE), UNHEALTHY),
        (network(C.DEGRADED, STALE), UNHEALTHY),
        (network(C.CONNECTED, FRESH, STALE, STALE), DEGRADED),
        (network(C.CONNECTED, FRESH, STALE), HEALTHY),
        (network(C.CONNECTED, QUIET, STALE), UNHEALTHY),
        (network(C.CONNECTED, QUIET, QUIET, FRESH, STALE), HEALTHY),
        (network(C.CONNECTED, QUIET, FRESH, STALE, STALE), DEGRADED),
        (network(C.CONNECTED, FRESH, succeeded=0, failed=9), HEALTHY),
        (network(C.CONNECTED, FRESH, succeeded=0, failed=10), UNHEALTHY),
        (network(C.CONNECTED, FRESH, succeeded=49, failed=51), UNHEALTHY),
        (network(C.CONNECTED, FRESH, succeeded=5, failed=5), DEGRADED),
        (network(C.CONNECTED, FRESH, succeeded=79, failed=21), DEGRADED),
        (network(C.CONNECTED, FRESH, succeeded=8, failed=2), HEALTHY),
        (network(C.CONNECTING, succeeded=1, failed=9), UNHEALTHY),
    ],
)
def test_each_rule(sample: NetworkSample, status: Status) -> None:
    judged = assess([sample], NOW)
    assert judged.networks[0].status is status
    assert judged.status is status


@pytest.mark.parametrize(
    ("peer", "health"),
    [
        (PeerSample("a", "key", latest_handshake=NOW), PeerHealth.HEALTHY),
        (PeerSample("a", "key", latest_handshake=NOW - 179.9), PeerHealth.HEALTHY),
        (PeerSample("a", "key", latest_handshake=NOW - 180), PeerHealth.UNHEALTHY),
        (PeerSample("a", "key", latest_handshake=NOW + 60), PeerHealth.HEALTHY),  # the clock was set back since
        (PeerSample("a", "key"), PeerHealth.UNHEALTHY),
        (PeerSample("a", "key", wanted=False), PeerHealth.WAITING),
        (PeerSample("a", "key", wanted=False, endpoint="192.0.2.1:51820"), PeerHealth.WAITING),
        (PeerSample("a", "key", wanted=False, latest_handshake=NOW - 1), PeerHealth.HEALTHY),
        (PeerSample("a", "key", wanted=False, latest_handshake=NOW - 1000), PeerHealth.WAITING),
        (PeerSample("a", "key", wanted=False, pending="gw.example does not resolve"), PeerHealth.UNHEALTHY),
        (PeerSample("a", "key", latest_handshake=NOW - 1, pending="gw.example does not resolve"), PeerHealth.HEALTHY),
    ],
)
def test_peer_health_distinguishes_waiting_from_healthy(peer: PeerSample, health: PeerHealth) -> None:
    assert peer_health(network(C.CONNECTED, peer), peer, NOW) is health


@pytest.mark.parametrize("connection", [C.DISCONNECTED, C.CONNECTING, C.FAILED])
def test_every_peer_is_unhealthy_while_its_network_is_not_up(connection: Connection) -> None:
    assert {peer_health(network(connection), peer, NOW) for peer in (FRESH, QUIET)} == {PeerHealth.UNHEALTHY}


def test_waiting_peers_are_counted_apart_and_do_not_change_the_score() -> None:
    (judged,) = assess([network(C.CONNECTED, FRESH, QUIET, STALE)], NOW).networks
    assert (judged.peers, judged.peers_healthy, judged.peers_waiting, judged.peers_expected) == (3, 1, 1, 2)
    assert judged.peer_health == 50.0
    waiting_only = assess([network(C.CONNECTED, QUIET)], NOW)
    assert (waiting_only.status, waiting_only.score, waiting_only.networks[0].peers_healthy) == (HEALTHY, 100.0, 0)


def test_an_age_is_never_below_zero() -> None:
    ages = [handshake_age_seconds(replace(FRESH, latest_handshake=at), NOW) for at in (NOW + 60, NOW - 60, None)]
    assert ages == [0.0, 60.0, None]


@pytest.mark.parametrize(
    ("sample", "peer_health", "handshake_rate"),
    [
        (network(C.CONNECTED, FRESH, succeeded=197, failed=3), 100.0, 98.5),
        (network(C.CONNECTED, FRESH, STALE, STALE, succeeded=2, failed=1), 33.3, 66.7),
        (network(C.CONNECTED, replace(FRESH, loss_rate=0.25)), 75.0, 100.0),
        (network(C.CONNECTED, replace(FRESH, loss_rate=0.5), STALE), 25.0, 100.0),
        (network(C.CONNECTED), 100.0, 100.0),
        (network(C.CONNECTED, STALE), 0.0, 100.0),
        (network(C.DISCONNECTED, QUIET), 0.0, 100.0),
        (network(C.FAILED), 0.0, 100.0),
    ],
)
def test_both_numbers_are_percentages(sample: NetworkSample, peer_health: float, handshake_rate: float) -> None:
    (judged,) = assess([sample], NOW).networks
    assert (judged.peer_health, judged.handshake_rate) == (peer_health, handshake_rate)


def test_the_worst_network_counts_and_none_is_healthy() -> None:
    good, weak, bad = network(C.CONNECTED, FRESH), network(C.CONNECTING), network(C.FAILED)
    assert assess([], NOW).status is HEALTHY
    assert assess([good, good], NOW).status is HEALTHY
    assert assess([good, weak], NOW).status is DEGRADED
    assert assess([bad, weak, good], NOW).status is UNHEALTHY


def test_the_score_weighs_networks_by_their_peers() -> None:
    good, half = network(C.CONNECTED, FRESH), network(C.CONNECTED, FRESH, STALE, STALE)
    assert assess([], NOW).score == 100.0
    assert assess([half], NOW).score == assess([half], NOW).networks[0].peer_health
    assert assess([good, half], NOW).score == 50.0
    assert assess([good, network(C.FAILED)], NOW).score == 50.0


def test_a_condition_degrades_unless_it_only_informs() -> None:
    good = network(C.CONNECTED, FRESH)
    expiry = Condition("trust.expiring", "the certificate ends in 3 days")
    assert assess([good], NOW, [Condition("config.restart_required", "[http] has changed")]).status is HEALTHY
    judged = assess([good], NOW, [expiry])
    assert judged.status is DEGRADED
    assert judged.networks[0].status is HEALTHY
    assert judged.conditions == (expiry,)
    assert assess([network(C.FAILED)], NOW, [expiry]).status is UNHEALTHY


def test_what_the_samples_show_becomes_a_condition() -> None:
    notice = Condition("dns.changed", "resolv.conf was changed")
    waiting = replace(QUIET, pending="gw.example does not resolve")
    sample = network(C.FAILED, waiting, error="wg0 is there already", warnings=(notice,))
    assert [(found.name, found.severity, found.sentence) for found in assess([sample], NOW).conditions] == [
        ("network.failed", Severity.DEGRADED, "network default: wg0 is there already"),
        ("dns.changed", Severity.INFO, "network default: resolv.conf was changed"),
        ("peer.pending", Severity.DEGRADED, "network default, peer quiet: gw.example does not resolve"),
    ]


@given(agents)
def test_every_number_is_a_percentage_and_the_whole_is_no_better_than_a_part(samples: Sequence[NetworkSample]) -> None:
    judged = assess(samples, NOW)
    numbers = [number for each in judged.networks for number in (each.peer_health, each.handshake_rate)]
    assert all(0 <= number <= 100 for number in [judged.score, *numbers])
    assert all(each.status.rank <= judged.status.rank for each in judged.networks)
    assert [each.name for each in judged.networks] == [sample.name for sample in samples]
