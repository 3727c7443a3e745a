"""Ping through the tunnel, with IPv4 and IPv6."""

from __future__ import annotations

import re

from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen

TITLE = "Ping through the tunnel"
COUNT = 10


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Ping bob's IPv4 and IPv6 address; every ping must be answered."""
    for address in (bob.inside, bob.inside6):
        output = alice.run("ping", "-n", "-c", str(COUNT), "-i", "0.1", "-W", "10", address)
        answered, best, mean, worst = parse_ping(output)
        if answered != COUNT:
            raise StageError(f"{address} answered {answered}/{COUNT} pings")
        screen.fact(
            f"{alice.name} → {bob.name}  {address:<10} {answered}/{COUNT} answered, "
            f"round trip {mean} ms (min {best}, max {worst})"
        )
    return f"{2 * COUNT}/{2 * COUNT} pings answered"


def parse_ping(output: str) -> tuple[int, str, str, str]:
    """Return the number of replies, and the minimum, average and maximum round trip in milliseconds (iputils)."""
    received = re.search(r"(\d+) received", output)
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", output)
    if not received or not times:
        raise StageError(f"unexpected output of ping: {output.strip().splitlines()[-1:]}")
    return int(received[1]), times[1], times[2], times[3]
