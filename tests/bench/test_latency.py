"""What ping prints, as iputils writes it."""

from __future__ import annotations

import pytest

from failure import BenchError
from latency import Latency, parse, quantile

pytestmark = pytest.mark.unit


def echo(number: int, time_ms: float) -> str:
    return f"64 bytes from 10.9.0.2: icmp_seq={number} ttl=64 time={time_ms} ms\n"


def test_quantiles_are_values_that_came() -> None:
    ordered = [float(value) for value in range(1, 201)]
    assert [quantile(ordered, share) for share in (0.5, 0.99, 1)] == [100, 198, 200]
    assert quantile([7], 0.01) == 7


def test_lost_are_those_before_the_last_that_came() -> None:
    said = echo(1, 0.5) + echo(3, 2) + echo(4, 1.25) + "\n6 packets transmitted, 3 received, 50% packet loss\n"
    assert parse(said) == Latency(p50_ms=1.25, p99_ms=2, lost=1)


def test_nothing_that_came_is_no_figure() -> None:
    with pytest.raises(BenchError):
        parse("5 packets transmitted, 0 received, 100% packet loss\n")
