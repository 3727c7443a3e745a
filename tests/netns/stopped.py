"""An engine that is held still."""

from __future__ import annotations

import signal
from pathlib import Path

from .deadline import until
from .interface import Interface


class Stopped:
    """Holds an engine still while the block runs. nsenter(1) stops itself with its child, and goes on with it."""

    def __init__(self, interface: Interface) -> None:
        self._interface, self._parent = interface, interface.process

    def __enter__(self) -> None:
        self._interface.host.kill(self._interface.pid, "STOP")
        state = Path(f"/proc/{self._parent.pid}/stat")
        until(lambda: state.read_text().rpartition(") ")[2].startswith("T"), "nsenter has stopped")

    def __exit__(self, *_: object) -> None:
        self._parent.send_signal(signal.SIGCONT)
