"""The soak for a minute, with all that happens in the hour; and a datagram that its books must not explain away."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from engines import warren
from failure import BenchError
from soak import criteria
from soak.end import library_engine
from soak.line import opened
from soak.run import ROUGH, Course, Pace, run
from soak.topology import PORT
from tests.netns.host import IN_NAMESPACES

pytestmark = IN_NAMESPACES

SECONDS = 60.0


def version() -> str:
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    try:
        return warren().version
    except BenchError as error:
        pytest.skip(str(error))


def test_a_minute_of_it() -> None:
    """The hour gives leaks the time to show, and stalls a machine that nobody else keeps busy."""
    engine = library_engine(version())
    outcome = run(Course.telling(engine, engine), Pace.of(SECONDS), print)
    assert [str(verdict) for verdict in criteria.of_counters(outcome) if not verdict.is_met] == []
    assert all(carried.received for carried in outcome.flows.values())
    assert set(outcome.happened) == set(outcome.course.kinds)
    assert all(ledger.toll.lost.datagrams and ledger.toll.spurious for ledger in outcome.balances[-1])
    assert all(samples for samples in outcome.samples.values())


def test_a_datagram_that_went_past_the_path_is_found() -> None:
    engine = library_engine(version())
    with opened("planted", engine, engine, ROUGH) as line:
        time.sleep(1)  # some traffic to count
        assert [problem for ledger in line.balanced() for problem in ledger.findings()] == []
        with line.topology.path.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(bytes([4]) + bytes(31), ("10.2.0.1", PORT))
        (found,) = [problem for ledger in line.balanced() for problem in ledger.findings()]
    assert "near to far" in found
