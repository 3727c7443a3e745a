"""Echoes through the tunnel, IPv4 and IPv6."""

from __future__ import annotations

import re

from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen

TITLE = "Echoes through the tunnel"
ECHOES = 10


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Ping each way of addressing; every echo must come back."""
    for address in (bob.inside, bob.inside6):
        said = alice.run("ping", "-n", "-c", str(ECHOES), "-i", "0.1", "-W", "10", address)
        answered, best, mean, worst = parse_ping(said)
        if answered != ECHOES:
            raise StageError(f"{address} answered {answered} of {ECHOES} echoes")
        screen.fact(
            f"{alice.name} → {bob.name}  {address:<10} {answered} of {ECHOES} came back, "
            f"{mean} ms on average (best {best}, worst {worst})"
        )
    return f"{2 * ECHOES} of {2 * ECHOES} echoes came back"


def parse_ping(said: str) -> tuple[int, str, str, str]:
    """Echoes received, and the best, mean and worst round trip in milliseconds, as iputils prints them."""
    received = re.search(r"(\d+) received", said)
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", said)
    if not received or not times:
        raise StageError(f"ping said what nobody expected: {said.strip().splitlines()[-1:]}")
    return int(received[1]), times[1], times[2], times[3]
