"""The backend of a network's interface: the kernel's WireGuard, or our engine in this process."""

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
    """An engine whose status can be read."""

    backend: Backend

    def status(self) -> DeviceStatus:
        """Return the engine's part of an interface's status. Raises InterfaceError once it has ended."""

    @property
    def events(self) -> Events | None:
        """Return the events of the engine, or None if it has none."""


def create_engine(
    backend: Backend, name: str, netlink: Netlink, open_driver: OpenDriver = open_no_driver, agent_id: str = ""
) -> LiveEngine:
    """Create the interface `name`, or take over what a killed process left of it in the kernel.

    `agent_id` marks the links of one agent (link_owner.py). "auto" is the kernel, or our engine if the kernel has no
    WireGuard. Raises WarrenError, with nothing left; InterfaceError if such a link belongs to another program.
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
