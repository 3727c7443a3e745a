"""What iperf3 reports, as its version 3.12 writes it."""

from __future__ import annotations

import pytest

from failure import BenchError
from throughput import SINGLE, UDP, Throughput, parse

pytestmark = pytest.mark.unit


def test_tcp_is_what_was_received() -> None:
    end = {
        "sum_sent": {"bytes": 2_100_000_000, "bits_per_second": 1.68e9, "retransmits": 44},
        "sum_received": {"bytes": 2_000_000_000, "bits_per_second": 1.6e9},
        "sender_tcp_congestion": "cubic",
    }
    assert parse(end, SINGLE) == Throughput(1.6, 2.0, 44)


def test_another_congestion_control_is_no_figure() -> None:
    end = {"sum_sent": {}, "sum_received": {}, "sender_tcp_congestion": "bbr"}
    with pytest.raises(BenchError, match="bbr"):
        parse(end, SINGLE)


def test_udp_is_what_was_received_and_the_share_that_was_not() -> None:
    end = {
        "sum_sent": {"bytes": 4_000_000_000, "bits_per_second": 3.2e9, "lost_percent": 0},
        "sum_received": {"bytes": 1_000_000_000, "bits_per_second": 0.8e9, "lost_percent": 75},
    }
    assert parse(end, UDP) == Throughput(0.8, 1.0, 75)
