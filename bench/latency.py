"""Round trips, a hundred a second."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from failure import BenchError
from tunnel import Tunnel

INTERVAL_SECONDS = 0.01
SLACK_SECONDS = 30
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the echoes that came back."""

    p50_ms: float
    p99_ms: float
    lost: int


def measure(tunnel: Tunnel, seconds: int) -> Latency:
    """ping(8) for so long."""
    command = ["ping", "-n", "-w", str(seconds), "-i", str(INTERVAL_SECONDS), tunnel.address]
    return parse(tunnel.near.attempt(*command, seconds=seconds + SLACK_SECONDS).stdout)


def meanwhile(tunnel: Tunnel, seconds: int, work: Callable[[], T]) -> tuple[Latency, T]:
    """The same while something else is done, which takes as long."""
    with ThreadPoolExecutor(1) as thread:
        pinging = thread.submit(measure, tunnel, seconds)
        done = work()
        return pinging.result(), done


def parse(said: str) -> Latency:
    """As iputils prints it. What was sent after the last that came back is not lost: nobody waited for it."""
    came = {int(number): float(time) for number, time in re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", said)}
    if not came:
        raise BenchError("no echo came back")
    times = sorted(came.values())
    return Latency(quantile(times, 0.5), quantile(times, 0.99), max(came) - len(came))


def quantile(ordered: list[float], share: float) -> float:
    """The least value that is not below this share of them."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
