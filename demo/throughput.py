"""One TCP stream through the tunnel, as fast as it goes."""

from __future__ import annotations

import json
import subprocess

from demo.failure import StageError
from demo.host import PROGRAM_SECONDS, Host
from demo.screen import Screen

TITLE = "One TCP stream through the tunnel"
SECONDS = 5


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """iperf3 from alice to bob."""
    server = bob.command("iperf3", "--server", "--one-off", "--forceflush", "--bind", bob.inside)
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as listening:
        if not listening.stdout or not any("listening" in line for line in listening.stdout):
            raise StageError("iperf3 did not start to listen")
        said = alice.run("iperf3", "--client", bob.inside, "--time", str(SECONDS), "--json")
        listening.communicate(timeout=PROGRAM_SECONDS)
    received = json.loads(said)["end"]["sum_received"]
    gigabits, megabytes = received["bits_per_second"] / 1e9, received["bytes"] / 1e6
    if not megabytes:
        raise StageError("iperf3 moved nothing")
    screen.fact(f"iperf3, {SECONDS} s: {megabytes:,.0f} MB from {alice.name} to {bob.name}, {gigabits:.2f} Gb/s")
    return f"{megabytes:,.0f} MB went through at {gigabits:.2f} Gb/s"
