"""Notify the service manager (sd_notify(3)): ready, reloading, alive, stopping. Without one, nothing happens."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

from warren.agent.subsystem import Subsystem
from warren.clock import monotonic_seconds


class SdNotify:
    """Report the state of this process to the service manager that started it."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with @ in place of its leading zero octet.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog_seconds = _watchdog_seconds(environ)
        """The interval in which it expects `alive`; None if there is no watchdog."""

    def subsystem(self) -> Subsystem:
        """Return the subsystem that answers the watchdog."""
        return Subsystem("watchdog", self._run_watchdog)

    def ready(self, status: str) -> None:
        """Report that the control socket is served."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report that the configuration is read again; `ready` follows. Type=notify-reload requires the time."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic_seconds() * 1e6)}")

    def alive(self) -> None:
        """Report that the event loop still runs."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the agent takes its interfaces down."""
        self._send("STOPPING=1")

    async def _run_watchdog(self) -> None:
        while self.watchdog_seconds is not None:
            self.alive()
            await asyncio.sleep(self.watchdog_seconds)

    def _send(self, *lines: str) -> None:
        if self._address and sys.platform != "win32":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
                # A service manager that does not listen is no reason to stop.
                sender.sendto("\n".join(lines).encode(), self._address)


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return a third of the watchdog's timeout, so that one late iteration does not end the agent."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    is_for_us = environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
    return int(microseconds) / 1e6 / 3 if microseconds.isdigit() and is_for_us else None
