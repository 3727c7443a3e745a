"""The engine in this very process: a tunnel that lives as long as the object that stands for it."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from warren._core import Device, DeviceStatus, Events, Netlink
from warren.errors import HostError, InterfaceError
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.apply import apply_steps
from warren.tunnel.io.bringup import bring_up
from warren.tunnel.io.conffile import read_supported
from warren.tunnel.io.observe import merged
from warren.tunnel.io.policy import sweep, with_mark
from warren.tunnel.io.resolver import resolve_endpoints
from warren.tunnel.network import Backend
from warren.tunnel.plan import InterfaceChange, plan
from warren.tunnel.status import InterfaceStatus

OpenDriver = Callable[[], int | None]
"""Opens the driver of TUN, /dev/net/tun, for a process that may not; None if the process is to do it itself."""


def open_no_driver() -> None:
    """For a process that may."""


class InProcessEngine:
    """An `Engine` whose packet thread runs beside Python's and never waits for it."""

    backend: Backend = "userspace"

    def __init__(self, name: str, open_driver: OpenDriver = open_no_driver) -> None:
        self.name = name
        self._open_driver = open_driver
        self._device: Device | None = None

    @property
    def device(self) -> Device:
        """The device, once it is made. Raises InterfaceError before."""
        if self._device is None:
            raise InterfaceError(f"{self.name} was not made yet", code="interface.closed")
        return self._device

    def create(self) -> None:
        """Makes the link and starts the thread."""
        driver = self._open_driver()
        try:
            self._device = Device.open(self.name, driver)
        finally:
            if driver is not None:
                os.close(driver)

    def configure(self, change: InterfaceChange) -> None:
        """Directly; no socket lies between. Raises HostError: `host.port_privileged` for a port that root alone may."""
        try:
            self.device.configure(change)
        except HostError as error:
            if error.errno != errno.EACCES or change.listen_port is None:
                raise
            problem = f"UDP port {change.listen_port} may be bound by root alone, and this process is not root any more"
            raise HostError(problem, code="host.port_privileged", errno=error.errno) from error

    def status(self) -> DeviceStatus:
        """The engine's part of this moment. Raises InterfaceError once it has ended."""
        return self.device.status()

    @property
    def events(self) -> Events:
        """What happens to it."""
        return self.device.events

    def remove(self) -> None:
        """Ends the thread; the link goes with it."""
        self.device.close()


class Tunnel:
    """An interface that is up until it is closed. `wg show` and `warren status` see it as any other.

    It has its own packet thread: a Python that is busy or hangs stops no packet. Any thread may call any method.
    """

    def __init__(self, config: InterfaceConfig) -> None:
        self._netlink = Netlink.open()
        self._engine = InProcessEngine(config.name)
        bring_up(resolve_endpoints(config), self._engine, self._netlink)

    @property
    def name(self) -> str:
        """The link's name."""
        return self._engine.name

    @property
    def events(self) -> Events:
        """What happened: `drain()` it, or hand `fileno()` to `loop.add_reader`."""
        return self._engine.events

    def status(self) -> InterfaceStatus:
        """The state of this moment. Raises InterfaceError once it is closed or its link was deleted."""
        return merged(self.name, self._engine.status(), self._netlink)

    def reconfigure(self, config: InterfaceConfig) -> None:
        """Carries out the difference only: sessions of peers in which nothing differs go on without losing a packet.

        Raises WarrenError; what was done before the step that failed stays.
        """
        status = self.status()
        desired = with_mark(resolve_endpoints(config), self._netlink, status)
        apply_steps(plan(desired, status), self._engine, self._netlink)

    def close(self) -> None:
        """Takes the interface away; its port is free when this returns. A second time does nothing."""
        self._engine.remove()
        sweep(self._netlink)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def up(source: InterfaceConfig | str | PathLike[str]) -> Tunnel:
    """Brings up an interface in this process, from a configuration or a file of wg-quick(8). Needs CAP_NET_ADMIN.

    Endpoints with a name are resolved once, now. Raises WarrenError, with nothing left behind.
    """
    if isinstance(source, InterfaceConfig):
        return Tunnel(source)
    file = read_supported(Path(source))
    for warning in file.warnings:
        warnings.warn(warning, stacklevel=2)
    return Tunnel(file.content.interface)
