"""What the soak finds: leaks, stalls and octets that no counter explains, planted one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from soak import leak, stall
from soak.accounting import LONGEST, SHORTEST, Ledger
from soak.path_counters import Count, Toll
from soak.sample import Sample
from soak.stall import LIMIT_SECONDS, Watch

pytestmark = pytest.mark.unit

STEADY = [Sample(10.0 * number, 4 << 20, 12, 4) for number in range(360)]
BALANCED = Ledger(
    name="near to far",
    tx_bytes=10_000,
    rx_bytes=8_000,
    toll=Toll(
        arrived=Count(90, 9_500), passed=Count(80, 8_500), lost=Count(10, 1_000), handshakes=Count(2, 296), spurious=7
    ),
    send_refused=5,
    reasons={"replayed": 7, "no_session": 3},
    undelivered=1,
)


def test_a_steady_process_leaks_nothing() -> None:
    assert leak.findings(STEADY) == []


def test_what_grows_at_first_is_no_leak() -> None:
    """Nor what swings."""
    samples = [replace(sample, octets=sample.octets + (number % 7 << 12)) for number, sample in enumerate(STEADY)]
    assert leak.findings([replace(sample, octets=1 << 20) for sample in samples[:100]] + samples[100:]) == []


@pytest.mark.parametrize("octets", [1 << 10, 4 << 10])
def test_a_leak_of_a_little_each_ten_seconds_is_found(octets: int) -> None:
    samples = [replace(sample, octets=sample.octets + number * octets) for number, sample in enumerate(STEADY)]
    assert leak.growth_octets(samples) == pytest.approx(239 * octets)
    assert len(leak.findings(samples)) == 1


@pytest.mark.parametrize("what", ["descriptors", "threads"])
def test_one_that_is_never_given_back_is_found(what: str) -> None:
    late = [replace(sample, **{what: getattr(sample, what) + 1}) for sample in STEADY[200:]]
    assert len(leak.findings(STEADY[:200] + late)) == 1


def test_one_that_is_given_back_is_none() -> None:
    samples = [replace(sample, descriptors=12 + number % 2) for number, sample in enumerate(STEADY)]
    assert leak.findings(samples) == []


def test_a_flow_that_moves_never_stands_still() -> None:
    watch = Watch(0.0)
    for second in range(100):
        watch.progress("flow", second / 2)
    assert watch.longest("flow", 50.0) <= 0.5


@pytest.mark.parametrize(
    ("arrivals", "end", "longest"),
    [
        pytest.param([1, 31, 32], 33, 30, id="in between"),
        pytest.param([1, 2], 40, 38, id="at the end"),
        pytest.param([], 25, 25, id="from the start"),
        pytest.param([1, 31, 51], 51, 30, id="the longest counts"),
    ],
)
def test_a_standstill_is_found(arrivals: list[float], end: float, longest: float) -> None:
    watch = Watch(0.0)
    for at in arrivals:
        watch.progress("flow", at)
    assert watch.longest("flow", end) == longest
    assert stall.findings("flow", longest) if longest > LIMIT_SECONDS else True


def test_an_interruption_excuses_itself_and_as_long_again() -> None:
    watch = Watch(10.0)
    watch.excuse(12.0, 20.0)
    watch.excuse(14.0, 16.0)
    assert watch.longest("flow", 27.0) == 2.0
    watch.progress("flow", 33.0)
    assert watch.longest("flow", 33.0) == 2.0 + 5.0


def test_a_ledger_in_balance() -> None:
    """Five datagrams refused are 500 octets; ten dropped and one without a socket, less seven copies, another 500."""
    assert BALANCED.findings() == []
    assert BALANCED.originals_refused == 4


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"tx_bytes": 9_499}, id="less made than arrived"),
        pytest.param({"send_refused": 0}, id="made and vanished"),
        pytest.param({"tx_bytes": 9_500}, id="refused, and yet on the path"),
        pytest.param({"rx_bytes": 8_501}, id="more taken than passed"),
        pytest.param({"reasons": {"replayed": 6}}, id="passed and vanished"),
        pytest.param({"rx_bytes": 8_500}, id="dropped, and yet taken"),
        pytest.param({"rx_bytes": 8_500 - 4 * LONGEST - 1}, id="more vanished than was dropped"),
        pytest.param({"rx_bytes": 8_500 - 4 * SHORTEST + 1}, id="less vanished than was dropped"),
        pytest.param({"reasons": None}, id="data vanished, and nobody tells why"),
        pytest.param({"toll": replace(BALANCED.toll, lost=Count(9, 900))}, id="lost by the path itself"),
    ],
)
def test_a_ledger_out_of_balance(wrong: dict[str, Any]) -> None:
    assert len(replace(BALANCED, **wrong).findings()) == 1


def test_of_an_engine_that_names_no_reasons_only_handshakes_may_be_missing() -> None:
    silent = replace(BALANCED, tx_bytes=9_500, send_refused=None, reasons=None)
    assert replace(silent, rx_bytes=8_500 - 296).findings() == []
    assert len(replace(silent, rx_bytes=8_500 - 297).findings()) == 1
