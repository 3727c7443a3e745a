"""Take an interface down, only if a userspace WireGuard serves it and answers."""

from __future__ import annotations

import time

from warren._core import Netlink
from warren.clock import monotonic_seconds
from warren.errors import EngineError, InterfaceError
from warren.files.unix_listener import remove_socket
from warren.tunnel.io.observe import find_link, query_engine, socket_path
from warren.tunnel.io.policy import remove_stale_policy

TIMEOUT_SECONDS = 10  # an engine stops within milliseconds after its link was deleted
FOREIGN_SECONDS = 1  # longer only if the program does not watch its link
POLL_INTERVAL = 0.01


def take_down(name: str, netlink: Netlink) -> None:
    """Take the interface down, its rules last, and return when its engine has closed its socket.

    Raises InterfaceError, with nothing changed, if no engine answers for it, or if an engine did not create its link.
    """
    check_ours(name, netlink)
    remove(name, netlink)
    remove_stale_policy(netlink)


def check_ours(name: str, netlink: Netlink) -> None:
    """Raise WarrenError if `name` must not be removed."""
    link = find_link(name, netlink)
    try:
        query_engine(name)
    except InterfaceError as error:
        if link is None:
            raise
        problem = f"no userspace WireGuard serves the link {name}; it was left alone"
        raise InterfaceError(problem, code="interface.not_owned") from error
    if link is not None and link.kind != "tun":
        problem = f"{name} is served, but the link of that name is not a TUN; it was left alone"
        raise InterfaceError(problem, code="interface.not_owned")


def remove(name: str, netlink: Netlink) -> None:
    """Delete the link with its addresses and routes; if it is in another network namespace, stop its engine."""
    link = find_link(name, netlink)
    if link is not None:
        netlink.delete_link(link.index)
    else:
        remove_socket(socket_path(name))
    _wait_until_gone(name)


def _wait_until_gone(name: str) -> None:
    """Wait until the engine has removed its socket.

    An engine inside another program keeps it until that program closes it.
    """
    start = monotonic_seconds()
    while socket_path(name).exists():
        waited = monotonic_seconds() - start
        if waited > FOREIGN_SECONDS and _has_no_link(name):
            return
        if waited > TIMEOUT_SECONDS:
            problem = f"the engine of {name} still serves {socket_path(name)}"
            raise EngineError(problem, code="engine.failed")
        time.sleep(POLL_INTERVAL)


def _has_no_link(name: str) -> bool:
    try:
        query_engine(name)
    except InterfaceError:
        return True
    return False
