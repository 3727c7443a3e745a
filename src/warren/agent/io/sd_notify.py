"""Word to the service manager (sd_notify(3)): ready, reloading, alive, stopping. Without one, nothing happens."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

from warren.clock import monotonic_seconds


class SdNotify:
    """What started this process and wants to know how it is doing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with @ for its zero octet.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog_seconds = _watchdog_seconds(environ)
        """How often it wants to hear `alive`; None if it does not watch."""

    def ready(self, status: str) -> None:
        """The control socket answers."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows. The time is what Type=notify-reload asks for."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic_seconds() * 1e6)}")

    def alive(self) -> None:
        """The event loop turns."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Interfaces are taken down."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if self._address and sys.platform != "win32":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
                # Who does not listen is not told; the work goes on.
                sender.sendto("\n".join(lines).encode(), self._address)


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """A third of the time after which it gives us up, so that one late turn is not the end."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
    return int(microseconds) / 1e6 / 3 if microseconds.isdigit() and meant else None
