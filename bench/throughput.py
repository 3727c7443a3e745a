"""iperf3 from one host to the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from failure import BenchError
from tunnel import Tunnel

CONGESTION = "cubic"  # pinned: kernels differ in what they take by default
SLACK_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Mode:
    """A kind of traffic."""

    name: str
    options: tuple[str, ...]
    is_tcp: bool = True


SINGLE = Mode("TCP single", ("--congestion", CONGESTION))
REVERSE = Mode("TCP -R", ("--congestion", CONGESTION, "--reverse"))
PARALLEL = Mode("TCP -P 4", ("--congestion", CONGESTION, "--parallel", "4"))
UDP = Mode("UDP", ("--udp", "--bitrate", "2G", "--length", "1372"), is_tcp=False)
MODES = (SINGLE, REVERSE, PARALLEL, UDP)


@dataclass(frozen=True, slots=True)
class Throughput:
    """What arrived."""

    gigabits: float
    """A second, payload."""
    gigabytes: float
    lost: float
    """TCP: segments sent again. UDP: percent of the datagrams."""


def measure(tunnel: Tunnel, mode: Mode, seconds: int) -> Throughput:
    """One run. BenchError with what iperf3 complained of."""
    server = tunnel.far.start("iperf3", "--server", "--one-off", "--forceflush", "--bind", tunnel.address)
    if not server.stdout or not any("listening" in line for line in server.stdout):
        raise BenchError("iperf3 did not start to listen")
    command = ["iperf3", "--client", tunnel.address, "--time", str(seconds), "--json", *mode.options]
    done = tunnel.near.attempt(*command, seconds=seconds + SLACK_SECONDS)
    try:
        said = json.loads(done.stdout)
    except ValueError as error:
        raise BenchError(f"iperf3 ended with status {done.returncode} and no report") from error
    if "error" in said:
        raise BenchError(f"iperf3: {said['error']}")
    return parse(said["end"], mode)


def parse(end: dict[str, Any], mode: Mode) -> Throughput:
    """The totals of iperf3's report."""
    received = end["sum_received"]
    if mode.is_tcp and end["sender_tcp_congestion"] != CONGESTION:
        raise BenchError(f"the sender's congestion control is {end['sender_tcp_congestion']}, not {CONGESTION}")
    lost = end["sum_sent"]["retransmits"] if mode.is_tcp else received["lost_percent"]
    return Throughput(received["bits_per_second"] / 1e9, received["bytes"] / 1e9, lost)
