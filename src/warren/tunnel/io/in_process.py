"""The engine in this process: a tunnel that lives as long as its object."""

from __future__ import annotations

import errno
import os
import threading
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from warren._core import Device, DeviceStatus, Events, Netlink
from warren.clock import monotonic_seconds
from warren.errors import HostError, InterfaceError
from warren.tunnel.address_search import Addresses, AddressSearch, with_addresses
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.address_search import BackgroundSearch
from warren.tunnel.io.bringup import bring_up
from warren.tunnel.io.conffile import read_supported
from warren.tunnel.io.converge import converge
from warren.tunnel.io.observe import join_status
from warren.tunnel.io.policy import active_marks, remove_stale_policy
from warren.tunnel.io.resolver import resolve_endpoints
from warren.tunnel.network import ConcreteBackend
from warren.tunnel.plan import InterfaceChange
from warren.tunnel.status import InterfaceStatus, PeerStatus, peer_status

OpenDriver = Callable[[], int | None]
"""Opens the TUN driver, /dev/net/tun, for a process without the permission; None leaves that to the process."""


def open_no_driver() -> None:
    """Open nothing, for a process that may open the driver itself."""


class InProcessEngine:
    """An `Engine` whose packet thread runs beside Python's and never waits for it."""

    backend: ConcreteBackend = "userspace"

    def __init__(self, name: str, open_driver: OpenDriver = open_no_driver) -> None:
        self.name = name
        self._open_driver = open_driver
        self._device: Device | None = None

    @property
    def device(self) -> Device:
        """Return the device. Raises InterfaceError before `create`."""
        if self._device is None:
            raise InterfaceError(f"{self.name} does not exist yet", code="interface.closed")
        return self._device

    def create(self) -> None:
        """Create the link and start the thread."""
        driver = self._open_driver()
        try:
            self._device = Device.open(self.name, driver)
        finally:
            if driver is not None:
                os.close(driver)

    def configure(self, change: InterfaceChange) -> None:
        """Apply a change. Raises HostError: `host.port_privileged` for a port that only root may bind."""
        configure_device(self.device, change)

    def status(self) -> DeviceStatus:
        """Return the engine's part of the status. Raises InterfaceError once it has ended."""
        return self.device.status()

    @property
    def events(self) -> Events:
        """Return the events of the device."""
        return self.device.events

    def remove(self) -> None:
        """Stop the thread, which deletes the link."""
        self.device.close()


def configure_device(device: Device, change: InterfaceChange) -> None:
    """Apply a change to a device. Raises HostError: `host.port_privileged` for a port that only root may bind."""
    try:
        device.configure(change)
    except HostError as error:
        if error.errno != errno.EACCES or change.listen_port is None:
            raise
        problem = (
            f"UDP port {change.listen_port} can only be bound by root, and this process has dropped root privileges"
        )
        raise HostError(problem, code="host.port_privileged", errno=error.errno) from error


class Tunnel:
    """An interface that is up until it is closed. `wg show` and `warren status` see it like any other.

    It has its own packet thread: a Python that is busy or hangs stops no packet. Any thread may call any method.
    """

    def __init__(self, config: InterfaceConfig) -> None:
        self._netlink = Netlink.open()
        self._engine = InProcessEngine(config.name)
        self._changing = threading.Lock()
        self._background: BackgroundSearch | None = None
        addresses = resolve_endpoints(config)
        bring_up(with_addresses(config, addresses), self._engine, self._netlink)
        self._start_search(config, addresses)

    @property
    def name(self) -> str:
        """Return the name of the link."""
        return self._engine.name

    @property
    def events(self) -> Events:
        """Return the events: `drain()` them, or pass `fileno()` to `loop.add_reader`."""
        return self._engine.events

    def status(self) -> InterfaceStatus:
        """Return the present status. Raises InterfaceError once it is closed or its link was deleted."""
        return join_status(self.name, self._engine.status(), self._netlink)

    def reconfigure(self, config: InterfaceConfig) -> None:
        """Apply only the difference: sessions of unchanged peers go on without losing a packet.

        Raises WarrenError; steps before the one that failed stay applied.
        """
        addresses = resolve_endpoints(config)
        with self._changing:
            self._stop_search()
            try:
                desired = with_addresses(config, addresses, self._peers())
                converge(desired, self._engine, self._netlink, self.status)
            finally:
                self._start_search(config, addresses)

    def close(self) -> None:
        """Remove the interface; its port is free when this returns. A second call does nothing."""
        with self._changing:
            self._stop_search()
            self._engine.remove()
            active_marks.record(self.name, None)
            remove_stale_policy(self._netlink)

    def _start_search(self, config: InterfaceConfig, addresses: Addresses) -> None:
        search = AddressSearch(config, addresses, monotonic_seconds())
        if search.is_needed:
            self._background = BackgroundSearch(search, self._engine, self._peers)

    def _stop_search(self) -> None:
        if self._background is not None:
            self._background.stop()
            self._background = None

    def _peers(self) -> tuple[PeerStatus, ...]:
        return tuple(map(peer_status, self._engine.status().peers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def up(source: InterfaceConfig | str | PathLike[str]) -> Tunnel:
    """Bring up an interface in this process, from a configuration or a file of wg-quick(8). Needs CAP_NET_ADMIN.

    Endpoint names are resolved once, now; if one has several addresses, they are tried until its peer answers. Raises
    WarrenError, with nothing left behind.
    """
    if isinstance(source, InterfaceConfig):
        return Tunnel(source)
    file = read_supported(Path(source))
    for warning in file.warnings:
        warnings.warn(warning, stacklevel=2)
    return Tunnel(file.content.interface)
