"""Where a network's interface lives: today our engine, in this very process."""

from __future__ import annotations

from typing import Protocol

from warren._core import DeviceStatus, Events, Netlink
from warren.tunnel.io.apply import Engine
from warren.tunnel.io.bringup import check_free
from warren.tunnel.io.inprocess import InProcessEngine
from warren.tunnel.network import Backend


class LiveEngine(Engine, Protocol):
    """An engine that can be asked how it is doing."""

    backend: Backend

    def status(self) -> DeviceStatus:
        """The engine's part of an interface. Raises InterfaceError once it has ended."""

    @property
    def events(self) -> Events | None:
        """What happens to it; None if it can only be asked."""


def create_engine(backend: Backend, name: str, netlink: Netlink) -> LiveEngine:
    """Makes the interface `name`. Raises WarrenError, with nothing left; InterfaceError if there is such a link."""
    check_free(name, netlink)
    userspace = InProcessEngine(name)
    userspace.create()
    return userspace
