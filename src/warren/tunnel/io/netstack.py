"""The engine with its own network stack: no link, no route, no rule, no privilege.

Nothing of it is the host's: what it is made of is observed in the device alone, and it ends with this process. Programs
reach it by proxies and forwards of its tables, and by the streams of `Device.dial` and `Device.listen`.
"""

from __future__ import annotations

from dataclasses import replace

from warren._core import Device, DeviceStatus, Events
from warren.errors import InterfaceError
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.in_process import configure_device
from warren.tunnel.netstack import SetTables, Tables
from warren.tunnel.network import ConcreteBackend
from warren.tunnel.plan import InterfaceChange, engine_change
from warren.tunnel.status import InterfaceStatus, LinkStatus, interface_status


class NetstackEngine:
    """An engine without a link. `tables` are those of its stack."""

    backend: ConcreteBackend = "netstack"

    def __init__(self, name: str, tables: Tables) -> None:
        self.name = name
        self._tables = tables
        self._device: Device | None = None

    @property
    def device(self) -> Device:
        """Return the device. Raises InterfaceError before `create`."""
        if self._device is None:
            raise InterfaceError(f"{self.name} does not exist yet", code="interface.closed")
        return self._device

    def create(self) -> None:
        """Start the packet thread with the stack. A listener whose address is in use is opened later, by backoff."""
        self._device = Device.without_link(self.name, self._tables)

    def configure(self, change: InterfaceChange) -> None:
        """Apply a change of keys, port and peers. Raises HostError."""
        configure_device(self.device, change)

    def status(self) -> DeviceStatus:
        """Return the engine's part of the status. Raises InterfaceError once it has ended."""
        return self.device.status()

    def observe(self) -> InterfaceStatus:
        """Return the whole status; in place of a link it has the stack's addresses. Raises InterfaceError."""
        link = LinkStatus(up=True, mtu=int(self._tables["mtu"]))
        return interface_status(self.name, self.device.status(), link)

    def update(
        self, desired: InterfaceConfig, tables: Tables
    ) -> tuple[tuple[InterfaceChange | SetTables, ...], InterfaceStatus]:
        """Apply the difference to `desired` and `tables`; return the steps, and the status after them.

        Raises WarrenError; a step before the one that failed stays applied.
        """
        steps: list[InterfaceChange | SetTables] = []
        if tables != self._tables:
            self.device.set_tables(tables)
            self._tables = tables
            steps.append(SetTables())
        status = self.observe()
        # A mark would be for rules of the host, of which this engine has none.
        change = engine_change(replace(desired, table="off"), status)
        if change != InterfaceChange():
            self.configure(change)
            steps.append(change)
            status = self.observe()
        return tuple(steps), status

    @property
    def events(self) -> Events:
        """Return the events of the device."""
        return self.device.events

    def remove(self) -> None:
        """Stop the thread: its flows are reset and its listeners closed. A second call does nothing."""
        if self._device is not None:
            self._device.close()
