"""Sums over networks never go down (H-63)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.telemetry.sample import Connection, NetworkSample
from warren.telemetry.totals import Sums, Totals

from .samples import agents, network

pytestmark = pytest.mark.unit

ONE = network(Connection.CONNECTED, name="one", succeeded=3, failed=1, rx_bytes=100, tx_bytes=10)
TWO = replace(ONE, name="two", rx_bytes=7)


def test_networks_are_added_up() -> None:
    assert Totals().add_up([]) == Sums()
    assert Totals().add_up([ONE, TWO]) == Sums(rx_bytes=107, tx_bytes=20, handshakes_succeeded=6, handshakes_failed=2)


def test_what_a_network_counted_stays_when_it_goes_and_comes_again() -> None:
    totals = Totals()
    counted = [
        totals.add_up(samples).rx_bytes
        for samples in ([ONE, TWO], [TWO], [TWO], [replace(ONE, rx_bytes=1), TWO], [replace(ONE, rx_bytes=2), TWO])
    ]
    assert counted == [107, 107, 107, 108, 109]


def test_one_that_begins_anew_between_two_looks_loses_nothing() -> None:
    totals = Totals()
    totals.add_up([ONE])
    assert totals.add_up([replace(ONE, rx_bytes=5)]).rx_bytes == 105


@given(st.lists(agents, max_size=5))
def test_no_sum_ever_goes_down(looks: Sequence[Sequence[NetworkSample]]) -> None:
    totals = Totals()
    before = Sums()
    for samples in looks:
        after = totals.add_up(samples)
        assert all(now >= then for then, now in zip(astuple(before), astuple(after), strict=True))
        before = after
