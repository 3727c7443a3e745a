"""Fairness, verdicts and tables of the benchmark over a long path."""

from __future__ import annotations

import pytest

from contention import Usage
from failure import BenchError
from flowgen import Counters
from path_results import PathResults
from path_scenarios import all_scenarios, alone, beside_cubic, together
from path_tables import tables
from path_targets import verdicts
from path_trial import PathRun, evenness, jain_index, rates_of
from senders import KERNEL_BBR, KERNEL_CUBIC, OWN_BBR, OWN_CUBIC

pytestmark = pytest.mark.unit

QUIET = Usage(idle_percent=10, foreign_percent=1)


def run_of(*megabits: tuple[float, ...], dropped: float = 0.0) -> PathRun:
    return PathRun(megabits, dropped, QUIET)


def test_jain_index_is_one_for_equal_flows_and_a_tenth_for_one_of_ten() -> None:
    assert jain_index([5.0] * 10) == pytest.approx(1)
    assert jain_index([5.0] + [0.0] * 9) == pytest.approx(0.1)
    assert jain_index([0.0, 0.0]) == 0


def test_evenness_is_the_slowest_divided_by_the_fastest() -> None:
    assert evenness([30, 60]) == 0.5
    assert evenness([0, 0]) == 0


def test_rate_is_what_arrived_between_two_moments() -> None:
    before = Counters(0, {"10.9.0.1:40000": 1_000_000, "10.8.0.2:5000": 50}, 0)
    after = Counters(0, {"10.9.0.1:40000": 3_000_000, "10.8.0.2:5000": 60}, 0)
    assert rates_of(["10.9.0.1:40000"], before, after, 2) == (8,)


def test_flow_that_ended_has_no_rate() -> None:
    before = Counters(0, {"10.8.0.2:5000": 50}, 0)
    with pytest.raises(BenchError, match=r"10\.8\.0\.2:5000 has ended"):
        rates_of(["10.8.0.2:5000"], before, Counters(0, {}, 0), 2)


def test_share_is_of_the_sum_of_both() -> None:
    assert run_of((30.0, 30.0), (40.0,)).share_percent(1) == pytest.approx(40)


def test_queue_is_told_in_bandwidth_delay_products() -> None:
    assert beside_cubic(OWN_BBR, 4).route.queue_ms == 200
    assert beside_cubic(OWN_BBR, 4).route.queue_in_bdp == 4


def test_every_scenario_is_another() -> None:
    assert len(set(all_scenarios())) == len(all_scenarios())


def test_verdicts_compare_medians_with_the_kernel_of_the_same_run() -> None:
    results = PathResults()
    results.runs[alone(OWN_BBR, 0)] = [run_of((rate,)) for rate in (10.0, 170.0, 180.0)]
    results.runs[alone(KERNEL_BBR, 0)] = [run_of((200.0,))]
    results.runs[alone(OWN_CUBIC, 0)] = [run_of((170.0,))]
    results.runs[alone(KERNEL_CUBIC, 0)] = [run_of((200.0,))]
    told = {verdict.what: verdict for verdict in verdicts(results)}
    assert told["tcp, BBR at 0 % loss, at least 0.85 x kernel, BBR"].is_met is True
    assert told["tcp, CUBIC at 0 % loss, at least 0.9 x kernel, CUBIC"].is_met is False
    assert told["tcp, BBR at 1 % loss, at least 0.85 x kernel, BBR"].is_met is None


def test_verdicts_on_flows_that_share() -> None:
    results = PathResults(receivers={True: [90.0], False: [100.0]})
    results.runs[together(OWN_BBR, 2)] = [run_of((70.0, 100.0))]
    results.runs[beside_cubic(OWN_BBR, 1)] = [run_of((150.0,), (50.0,), dropped=1.5)]
    told = {verdict.what: verdict.is_met for verdict in verdicts(results)}
    assert told["tcp, BBR, 2 flows share no worse than 0.7 : 1"] is True
    assert told["tcp, BBR beside kernel, CUBIC, queue of 1 BDP: CUBIC keeps at least 30 %"] is False
    assert told["tcp, BBR beside kernel, CUBIC, queue of 1 BDP: at most 2 % dropped"] is True
    assert told["received, at least 0.95 x the kernel"] is False


def test_tables_show_what_was_measured_and_what_failed() -> None:
    results = PathResults(failures={alone(OWN_CUBIC, 1): "no flow"})
    results.runs[alone(KERNEL_CUBIC, 0.1)] = [run_of((21.0,))]
    text = "\n".join(tables(results))
    assert "| kernel, CUBIC          |   - |    21 |   - |" in text
    assert "Failed in a round: 1 x tcp, CUBIC, loss 1 %: no flow." in text
