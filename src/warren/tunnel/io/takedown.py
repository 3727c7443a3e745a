"""Down: only what a userspace WireGuard serves, and only when it answers."""

from __future__ import annotations

import time

from warren._core import Netlink, uapi_get
from warren.clock import monotonic_seconds
from warren.errors import EngineError, InterfaceError
from warren.tunnel.io.observe import find_link, socket_path

PATIENCE_SECONDS = 10  # the kernel tells the engine of its link at once, and it ends within milliseconds
GLANCE_SECONDS = 0.01


def take_down(name: str, netlink: Netlink) -> None:
    """Takes the interface down and returns when its engine has ended.

    Raises InterfaceError, with nothing changed, if no engine answers for it, or if its link is none that one makes.
    """
    check_ours(name, netlink)
    remove(name, netlink)


def check_ours(name: str, netlink: Netlink) -> None:
    """Raises WarrenError if `name` is not ours to remove."""
    link = find_link(name, netlink)
    try:
        uapi_get(name)
    except InterfaceError as error:
        if link is None:
            raise
        problem = f"{name} is a link that no userspace WireGuard serves; it was left alone"
        raise InterfaceError(problem, code="interface.foreign") from error
    if link is not None and link.kind != "tun":
        problem = f"{name} is served, but the link of that name here is no TUN; it was left alone"
        raise InterfaceError(problem, code="interface.foreign")


def remove(name: str, netlink: Netlink) -> None:
    """Deletes the link, with its addresses and routes; where it is in another network namespace, ends its engine."""
    link = find_link(name, netlink)
    if link is not None:
        netlink.delete_link(link.index)
    else:
        socket_path(name).unlink(missing_ok=True)
    _wait_until_gone(name)


def _wait_until_gone(name: str) -> None:
    """An engine that ends takes its socket along."""
    deadline = monotonic_seconds() + PATIENCE_SECONDS
    while socket_path(name).exists():
        if monotonic_seconds() > deadline:
            problem = f"the link {name} is gone, but its engine still holds {socket_path(name)}"
            raise EngineError(problem, code="engine.failed")
        time.sleep(GLANCE_SECONDS)
