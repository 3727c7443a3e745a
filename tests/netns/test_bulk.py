"""iperf3 at full rate: what the offloads of both ends do to real streams, and that nothing stands still."""

from __future__ import annotations

import json

import pytest

from .deadline import COMMAND_SECONDS, until
from .host import IN_NAMESPACES, Host
from .pair import FAR_INNER, Pair
from .traffic import BULK_BYTES

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("iperf3")]

SHORT = ("-n", str(BULK_BYTES))
UDP = ("-t", "1", "-u", "-b", "0")
STREAMS = {
    "single": SHORT,
    "reverse": (*SHORT, "-R"),
    "both": (*SHORT, "--bidir"),
    "parallel": (*SHORT, "-P", "4"),
    "zero-copy": (*SHORT, "-Z"),
    "small-segments": ("-n", str(BULK_BYTES // 8), "-M", "88"),
    "udp": (*UDP, "-l", "1300"),
    "udp-reverse": (*UDP, "-l", "1300", "-R"),
    "udp-small": (*UDP, "-l", "64"),
    "udp-fragments": (*UDP, "-l", "9000"),
}


def iperf3(pair: Pair, address: str, *options: str) -> dict[str, object]:
    """A stream from near to far; iperf3's own report."""
    far: Host = pair.far.host
    server = far.start("iperf3", "-s", "-1", log="iperf3")
    until(lambda: ":5201 " in far.run("ss", "-Htln"), "iperf3 listens")
    command = ("iperf3", "-J", "-c", address, *options)
    report: dict[str, object] = json.loads(pair.near.host.run(*command))
    server.wait(COMMAND_SECONDS)
    return report


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_gets_through(pair: Pair, kind: str) -> None:
    pair.open()
    for address in FAR_INNER:
        end = iperf3(pair, address, *STREAMS[kind])["end"]
        assert isinstance(end, dict)
        if kind.startswith("udp"):
            assert end["sum"]["packets"] > end["sum"]["lost_packets"]
        else:
            assert end["sum_received"]["bytes"] > 0
    pair.both_ways()
