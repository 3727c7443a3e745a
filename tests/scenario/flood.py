"""Echoes at two hundred a second while something happens, and how many of them came back."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Self

from tests.netns.deadline import until
from tests.netns.host import Host

EACH_SECONDS = 0.005
LAST_SECONDS = 5  # for the echoes that are on their way when it ends


class EchoFlood:
    """Use as a context manager; `sent` and `received` are known after it."""

    def __init__(self, host: Host, address: str, directory: Path) -> None:
        self._host, self._address = host, address
        self._log = directory / f"flood-{host.name}-{address}"
        self.sent = self.received = 0

    def __enter__(self) -> Self:
        ping = f"exec ping -n -i {EACH_SECONDS} -W {LAST_SECONDS} {self._address}"
        self._process = self._host.start("sh", "-c", f"{ping} > {self._log}")
        until(lambda: self._log.exists() and self._log.read_text().count("bytes from") > 20, "echoes come back")
        return self

    def __exit__(self, *_: object) -> None:
        self._host.kill(self._pid(), "INT")
        self._process.wait(LAST_SECONDS * 4)
        found = re.search(r"(\d+) packets transmitted, (\d+) received", self._log.read_text())
        assert found, self._log.read_text()[-300:]
        self.sent, self.received = int(found[1]), int(found[2])

    @property
    def lost(self) -> int:
        """Echoes that did not come back. The last was on its way when ping was told to end."""
        return max(0, self.sent - self.received - 1)

    def _pid(self) -> int:
        named = os.fsencode(self._address)
        pings = self._host.processes("ping")
        return next(pid for pid in pings if named in self._host.path(f"/proc/{pid}/cmdline").read_bytes())
