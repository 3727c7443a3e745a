"""Ping 200 times a second in the background."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo.failure import StageError
from demo.host import PROGRAM_TIMEOUT_SECONDS, Host

INTERVAL_SECONDS = 0.005
MARGIN_SECONDS = 0.5  # pings before and after the block


@dataclass
class Pings:
    """The counts of a flood, set when it has ended."""

    sent: int = 0
    received: int = 0

    @property
    def lost(self) -> int:
        """Return the number of lost pings; the last one was in flight when ping was interrupted."""
        return max(0, self.sent - self.received - 1)


@contextmanager
def flooding(host: Host, address: str) -> Iterator[Pings]:
    """Ping an address from a host during the block."""
    pings = Pings()
    command = host.command("ping", "-n", "-q", "-i", str(INTERVAL_SECONDS), "-W", "5", address)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ping:
        try:
            time.sleep(MARGIN_SECONDS)
            yield pings
            time.sleep(MARGIN_SECONDS)
        finally:
            ping.send_signal(signal.SIGINT)
            output, _ = ping.communicate(timeout=PROGRAM_TIMEOUT_SECONDS)
    for line in output.splitlines():
        if "packets transmitted" in line:
            fields = line.split()
            pings.sent, pings.received = int(fields[0]), int(fields[3])
            return
    raise StageError(f"unexpected output of ping: {output.strip().splitlines()[-1:]}")
