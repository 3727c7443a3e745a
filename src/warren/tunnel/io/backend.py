"""Where a network's interface lives: in the kernel, or with our engine in this very process."""

from __future__ import annotations

from typing import Protocol

from warren._core import DeviceStatus, Events, Netlink
from warren.errors import HostError
from warren.tunnel.io.apply import Engine
from warren.tunnel.io.bringup import check_free
from warren.tunnel.io.in_process import InProcessEngine, OpenDriver, open_no_driver
from warren.tunnel.io.kernel import KernelEngine
from warren.tunnel.network import Backend


class LiveEngine(Engine, Protocol):
    """An engine that can be asked how it is doing."""

    backend: Backend

    def status(self) -> DeviceStatus:
        """The engine's part of an interface. Raises InterfaceError once it has ended."""

    @property
    def events(self) -> Events | None:
        """What happens to it; None if it can only be asked."""


def create_engine(
    backend: Backend, name: str, netlink: Netlink, open_driver: OpenDriver = open_no_driver, agent_id: str = ""
) -> LiveEngine:
    """Makes the interface `name`, or takes over what a process that was killed left of it in the kernel.

    `agent_id` marks the links of one agent (link_owner.py). "auto" is the kernel, and our engine where the
    kernel has no WireGuard. Raises WarrenError, with nothing left; InterfaceError if there is such a link of another,
    be it another Warren.
    """
    kernel = KernelEngine(name, netlink, agent_id)
    if kernel.take_over():
        if backend != "userspace":
            return kernel
        kernel.remove()
    check_free(name, netlink)
    if backend != "userspace" and _is_made(kernel, must=backend == "kernel"):
        return kernel
    userspace = InProcessEngine(name, open_driver)
    userspace.create()
    return userspace


def _is_made(kernel: KernelEngine, *, must: bool) -> bool:
    try:
        kernel.create()
    except HostError as error:
        if must or error.code != "engine.no_kernel":
            raise
        return False
    return True
