"""Down: only what a userspace WireGuard serves, and only when it answers."""

from __future__ import annotations

import time

from warren._core import Netlink
from warren.clock import monotonic_seconds
from warren.errors import EngineError, InterfaceError
from warren.files.unix_listener import remove_socket
from warren.tunnel.io.observe import ask, find_link, socket_path
from warren.tunnel.io.policy import sweep

PATIENCE_SECONDS = 10  # the kernel tells the engine of its link at once, and it ends within milliseconds
OTHERS_SECONDS = 1  # by then only a program that does not listen for the end of its link still has the socket
GLANCE_SECONDS = 0.01


def take_down(name: str, netlink: Netlink) -> None:
    """Takes the interface down, its rules last, and returns when its engine has let go of its socket.

    Raises InterfaceError, with nothing changed, if no engine answers for it, or if its link is none that one makes.
    """
    check_ours(name, netlink)
    remove(name, netlink)
    sweep(netlink)


def check_ours(name: str, netlink: Netlink) -> None:
    """Raises WarrenError if `name` is not ours to remove."""
    link = find_link(name, netlink)
    try:
        ask(name)
    except InterfaceError as error:
        if link is None:
            raise
        problem = f"{name} is a link that no userspace WireGuard serves; it was left alone"
        raise InterfaceError(problem, code="interface.not_owned") from error
    if link is not None and link.kind != "tun":
        problem = f"{name} is served, but the link of that name here is no TUN; it was left alone"
        raise InterfaceError(problem, code="interface.not_owned")


def remove(name: str, netlink: Netlink) -> None:
    """Deletes the link, with its addresses and routes; where it is in another network namespace, ends its engine."""
    link = find_link(name, netlink)
    if link is not None:
        netlink.delete_link(link.index)
    else:
        remove_socket(socket_path(name))
    _wait_until_gone(name)


def _wait_until_gone(name: str) -> None:
    """An engine that ends takes its socket along; one inside another program keeps it until that program closes it."""
    start = monotonic_seconds()
    while socket_path(name).exists():
        waited = monotonic_seconds() - start
        if waited > OTHERS_SECONDS and _has_no_link(name):
            return
        if waited > PATIENCE_SECONDS:
            problem = f"the engine of {name} still serves {socket_path(name)}"
            raise EngineError(problem, code="engine.failed")
        time.sleep(GLANCE_SECONDS)


def _has_no_link(name: str) -> bool:
    try:
        ask(name)
    except InterfaceError:
        return True
    return False
