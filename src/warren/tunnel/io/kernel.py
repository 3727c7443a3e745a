"""The kernel's WireGuard: a link that no process serves, and that outlives the process that created it."""

from __future__ import annotations

from warren._core import DeviceStatus, Netlink
from warren.errors import InterfaceError, WarrenError
from warren.tunnel.io.link_owner import living_owner, own_alias
from warren.tunnel.io.observe import find_link
from warren.tunnel.network import ConcreteBackend
from warren.tunnel.plan import InterfaceChange


class KernelEngine:
    """An `Engine` for a link that it creates, or takes over from a process that has ended."""

    backend: ConcreteBackend = "kernel"
    events = None  # the kernel reports no events

    def __init__(self, name: str, netlink: Netlink, agent_id: str = "") -> None:
        self.name = name
        self._netlink = netlink
        self._agent_id = agent_id

    def take_over(self) -> bool:
        """Take over the link that a `KernelEngine` of an ended process created; return False if there is none.

        Raises InterfaceError if that process runs.
        """
        link = find_link(self.name, self._netlink)
        if link is None or not link.ours:
            return False
        if owner := living_owner(link.alias):
            hint = "stop that process, or choose another name"
            problem = f"{self.name} belongs to another Warren process, {owner}"
            raise InterfaceError(problem, code="interface.exists", hint=hint)
        self._netlink.set_alias(link.index, own_alias(self._agent_id))
        return True

    def create(self) -> None:
        """Create the link.

        Raises:
            HostError: `engine.no_kernel` if the kernel has no WireGuard, with nothing changed.
            InterfaceError: There is a link of that name.
        """
        self._netlink.create_wireguard(self.name)
        try:
            self._netlink.set_alias(self._netlink.link(self.name).index, own_alias(self._agent_id))
        except WarrenError:
            self.remove()
            raise

    def configure(self, change: InterfaceChange) -> None:
        """Apply a change over generic netlink, in parts; the port, which can be refused, comes first.

        Raises WarrenError.
        """
        self._netlink.wireguard_set(self.name, change)

    def status(self) -> DeviceStatus:
        """Return the engine's part of the status.

        Raises InterfaceError if the link is gone, or belongs to another program.
        """
        return self._netlink.wireguard_get(self.name)

    def remove(self) -> None:
        """Delete the link; a second call does nothing. Raises InterfaceError if the link belongs to another program."""
        link = find_link(self.name, self._netlink)
        if link is None:
            return
        if not link.ours:
            problem = f"{self.name} was not created by Warren and was left alone"
            raise InterfaceError(problem, code="interface.not_owned")
        self._netlink.delete_link(link.index)
