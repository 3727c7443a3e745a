"""Linux's own WireGuard as an end of a tunnel: a link that no process stands behind."""

from __future__ import annotations

from .engine import Engine
from .host import Host
from .interface import Interface


class KernelInterface(Interface):
    """An `Interface` with neither a process nor a UAPI socket; wg(8) speaks netlink to it."""

    def _start(self) -> None:
        self.host.ip("link", "add", self.name, "type", "wireguard")

    def kill(self) -> None:
        """Nothing can be killed, so the link is deleted: as with a killed program, what it knew is lost."""
        self.host.ip("link", "delete", self.name)


def interface(host: Host, engine: Engine) -> Interface:
    """The engine's interface wg0, whichever kind the engine is."""
    return KernelInterface(host, engine) if engine.name == "kernel" else Interface(host, engine)
