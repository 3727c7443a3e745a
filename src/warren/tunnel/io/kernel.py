"""The kernel's own WireGuard: a link that no process serves, and that outlives the one that made it."""

from __future__ import annotations

from warren._core import DeviceStatus, Netlink
from warren.errors import InterfaceError, WarrenError
from warren.tunnel.io.link_owner import living_owner, own_alias
from warren.tunnel.io.observe import find_link
from warren.tunnel.network import Backend
from warren.tunnel.plan import InterfaceChange


class KernelEngine:
    """An `Engine`. It serves a link that another process left behind as well as one that it makes."""

    backend: Backend = "kernel"
    events = None  # the kernel tells nothing: it can only be asked

    def __init__(self, name: str, netlink: Netlink, agent_id: str = "") -> None:
        self.name = name
        self._netlink = netlink
        self._agent_id = agent_id

    def take_over(self) -> bool:
        """Makes the link its own, if a `KernelEngine` made it whose process has ended; False if there is none such.

        Raises InterfaceError if that process runs.
        """
        link = find_link(self.name, self._netlink)
        if link is None or not link.ours:
            return False
        if owner := living_owner(link.alias):
            hint = "stop that one, or choose another name"
            problem = f"{self.name} belongs to another Warren, which runs as process {owner}"
            raise InterfaceError(problem, code="interface.exists", hint=hint)
        self._netlink.set_alias(link.index, own_alias(self._agent_id))
        return True

    def create(self) -> None:
        """Makes the link.

        Raises HostError with the code `engine.no_kernel` where the kernel has no WireGuard, with nothing changed, and
        InterfaceError if there is a link of that name.
        """
        self._netlink.create_wireguard(self.name)
        try:
            self._netlink.set_alias(self._netlink.link(self.name).index, own_alias(self._agent_id))
        except WarrenError:
            self.remove()
            raise

    def configure(self, change: InterfaceChange) -> None:
        """Over generic netlink, in parts; the one that can be refused, the port, comes first. Raises WarrenError."""
        self._netlink.wireguard_set(self.name, change)

    def status(self) -> DeviceStatus:
        """The engine's part of this moment. Raises InterfaceError if the link is gone, or another's."""
        return self._netlink.wireguard_get(self.name)

    def remove(self) -> None:
        """Deletes the link; a second time does nothing. Raises InterfaceError if the link is another's."""
        link = find_link(self.name, self._netlink)
        if link is None:
            return
        if not link.ours:
            problem = f"{self.name} is a link that Warren did not make; it was left alone"
            raise InterfaceError(problem, code="interface.not_owned")
        self._netlink.delete_link(link.index)
