"""Two hundred echoes a second while something else happens."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo.failure import StageError
from demo.host import PROGRAM_SECONDS, Host

EACH_SECONDS = 0.005
WARM_SECONDS = 0.5  # before and after what happens meanwhile


@dataclass
class Echoes:
    """Known when the flood is over."""

    sent: int = 0
    received: int = 0

    @property
    def lost(self) -> int:
        """Those that did not come back; the last one was on its way when ping was told to end."""
        return max(0, self.sent - self.received - 1)


@contextmanager
def flooding(host: Host, address: str) -> Iterator[Echoes]:
    """From a host to an address."""
    echoes = Echoes()
    words = host.command("ping", "-n", "-q", "-i", str(EACH_SECONDS), "-W", "5", address)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as ping:
        try:
            time.sleep(WARM_SECONDS)
            yield echoes
            time.sleep(WARM_SECONDS)
        finally:
            ping.send_signal(signal.SIGINT)
            said, _ = ping.communicate(timeout=PROGRAM_SECONDS)
    for line in said.splitlines():
        if "packets transmitted" in line:
            words = line.split()
            echoes.sent, echoes.received = int(words[0]), int(words[3])
            return
    raise StageError(f"ping said what nobody expected: {said.strip().splitlines()[-1:]}")
