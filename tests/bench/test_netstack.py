"""Ratios, verdicts and tables of the network stack's benchmark."""

from __future__ import annotations

import pytest

from contention import Usage
from engines import Absent
from flowgen import Dials, Direction
from netstack_results import OWN, ProxyResults, best_peer
from netstack_tables import tables
from netstack_targets import Bound, ratio, verdicts
from proxies import Proxy, Started
from proxy_cases import Case, DatagramRun, Run, Way, per_gigabyte
from proxy_network import Network

pytestmark = pytest.mark.unit

QUIET = Usage(idle_percent=10, foreign_percent=1)
CASES = [Case(way, direction, 10) for way in Way for direction in Direction]


def results_of(gigabits: float, cost: float | None, *, dial: float = 0.001, peak: int = 50 << 20) -> ProxyResults:
    """Return the results of a proxy that is the same in all cases and rounds."""
    run = Run(gigabits, cost, peak, opened=10, usage=QUIET)
    datagrams = DatagramRun(megabits=100 * gigabits, lost_percent=0, cpu_seconds_per_gigabyte=cost, usage=QUIET)
    return ProxyResults(
        runs={case: [run, run] for case in CASES},
        dials=[Dials(1, (dial, dial))],
        datagrams=[datagrams],
        idle_bytes=[9 << 20],
    )


def start(network: Network) -> Started:
    raise AssertionError(network)


def test_cost_of_next_to_nothing_is_no_figure() -> None:
    assert per_gigabyte(2, 500_000_000) == 4
    assert per_gigabyte(2, 999_999) is None


def test_best_peer_has_the_lowest_cost_of_those_that_have_one() -> None:
    results = {OWN: results_of(2, 1), "a": results_of(1, 6), "b": results_of(1, 5), "c": results_of(0, None)}
    assert best_peer(results, lambda each: each.cost(CASES[0]), min) == ("b", 5)


def test_ratio_without_a_peer_is_absent() -> None:
    bound = Bound(0.4, is_upper=True)
    assert ratio({OWN: results_of(2, 1)}, lambda each: each.cost(CASES[0]), bound) is None


def test_targets_are_met_at_their_bounds() -> None:
    results = {OWN: results_of(1.5, 1), "Tailscale": results_of(1, 4)}
    assert {verdict.what: verdict.is_met for verdict in verdicts(results)} == {
        "CPU-s/GB at 10 flows, at most 0.4 x the best peer's": True,
        "Gb/s at 10 flows, at least 1.5 x the best peer's": True,
        "dial p50 in ms, at most 1 x the best peer's": True,
        "CPU-s/GB of UDP, at most 0.25 x the best peer's": True,
        "Mb/s of UDP received, at least 1.3 x the best peer's": True,
        "RSS peak at 10 flows, at most 60 MiB": True,
    }


def test_worst_case_decides_and_is_named() -> None:
    results = {OWN: results_of(2, 1), "Tailscale": results_of(1, 4)}
    results[OWN].runs[CASES[2]] = [Run(2, 3, 1, opened=10, usage=QUIET)]
    verdict = next(verdicts(results))
    assert verdict.is_met is False
    assert verdict.figures == "in up 3.00 is 0.75 x Tailscale's 4.00"


def test_missing_case_is_not_measured() -> None:
    results = {OWN: results_of(2, 1), "Tailscale": results_of(1, 4)}
    del results[OWN].runs[CASES[0]]
    assert next(verdicts(results)).is_met is None


def test_case_that_failed_with_fewer_flows_is_known() -> None:
    few, many = Case(Way.IN, Direction.UP, 1), Case(Way.IN, Direction.UP, 100)
    results = ProxyResults(failures={str(few): "no flow could be opened"})
    assert results.has_failed_with_fewer(many, (1, 10, 100))
    assert not results.has_failed_with_fewer(few, (1, 10, 100))
    assert not results.has_failed_with_fewer(Case(Way.IN, Direction.DOWN, 100), (1, 10, 100))


def test_no_verdict_without_warren() -> None:
    assert list(verdicts({"Tailscale": results_of(1, 4)})) == []


def test_tables_say_what_failed_and_who_is_absent() -> None:
    results = {OWN: results_of(2, 1), "onetun": ProxyResults(failures={"in up, 10 flows": "no flow"})}
    contestants: list[Proxy | Absent] = [
        Proxy(OWN, "1", start),
        Proxy("onetun", "1", start),
        Absent("gonet", "no go on the path"),
    ]
    text = "\n".join(tables(results, contestants, (10,)))
    assert "in up: no flow" in text
    assert "Not measured: gonet: no go on the path." in text


def test_percentiles_of_dials() -> None:
    dials = Dials(2, tuple(number / 1000 for number in range(1, 102)))
    assert dials.percentile_ms(0.5) == pytest.approx(51)
    assert dials.percentile_ms(0.99) == pytest.approx(100)
    assert dials.per_second == pytest.approx(50.5)
    assert Dials(2, ()).percentile_ms(0.5) is None
