"""One TCP stream through the tunnel at full speed."""

from __future__ import annotations

import json
import subprocess

from demo.failure import StageError
from demo.host import PROGRAM_TIMEOUT_SECONDS, Host
from demo.screen import Screen

TITLE = "One TCP stream through the tunnel"
SECONDS = 5


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Run iperf3 from alice to bob."""
    command = bob.command("iperf3", "--server", "--one-off", "--forceflush", "--bind", bob.inside)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        if not server.stdout or not any("listening" in line for line in server.stdout):
            raise StageError("iperf3 does not listen")
        output = alice.run("iperf3", "--client", bob.inside, "--time", str(SECONDS), "--json")
        server.communicate(timeout=PROGRAM_TIMEOUT_SECONDS)
    received = json.loads(output)["end"]["sum_received"]
    gigabits, megabytes = received["bits_per_second"] / 1e9, received["bytes"] / 1e6
    if not megabytes:
        raise StageError("iperf3 transferred no data")
    screen.fact(f"iperf3, {SECONDS} s: {megabytes:,.0f} MB from {alice.name} to {bob.name}, {gigabits:.2f} Gb/s")
    return f"{megabytes:,.0f} MB transferred at {gigabits:.2f} Gb/s"
