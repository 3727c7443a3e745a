"""Apply a plan, step by step.

Others change the same host: what a step removes may be gone already, and what it adds may be there. Then the step has
nothing to do.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol, assert_never

from warren._core import Netlink
from warren.errors import HostError
from warren.tunnel.io.nft_guard import remove_guard, set_guard
from warren.tunnel.plan import (
    AddAddress,
    AddConnectedRoute,
    AddFallback,
    AddRoute,
    AddRule,
    CreateInterface,
    InterfaceChange,
    PromoteSecondaries,
    RemoveAddress,
    RemoveFallback,
    RemoveGuard,
    RemoveInterface,
    RemoveRoute,
    RemoveRule,
    SetGuard,
    SetMtu,
    SetRouteMtu,
    SetUp,
    Step,
)

IPV6 = Path("/proc/sys/net/ipv6/conf")
HostStep = AddFallback | RemoveFallback | AddRule | RemoveRule | SetGuard | RemoveGuard
LinkStep = (
    SetMtu
    | PromoteSecondaries
    | AddAddress
    | RemoveAddress
    | SetUp
    | AddRoute
    | SetRouteMtu
    | AddConnectedRoute
    | RemoveRoute
)


class Engine(Protocol):
    """A WireGuard implementation that serves one interface."""

    name: str

    def create(self) -> None:
        """Create the link and start; after an error nothing is left."""

    def configure(self, change: InterfaceChange) -> None:
        """Change keys, port, mark and peers, whole or not at all."""

    def remove(self) -> None:
        """Stop, and delete the link."""


def apply_steps(steps: Sequence[Step], engine: Engine, netlink: Netlink) -> None:
    """Apply `steps` in order. Raises WarrenError for the first that fails; the steps after it are not applied."""
    link_index = cache(lambda: netlink.link(engine.name).index)
    for step in steps:
        match step:
            case CreateInterface():
                engine.create()
            case RemoveInterface():
                engine.remove()
            case InterfaceChange():
                engine.configure(step)
            case _:
                try:
                    _apply_over_netlink(step, link_index, netlink)
                except HostError as error:
                    if _is_done(step, error):
                        continue
                    if (explained := _explained(step, engine.name, netlink, error)) is not None:
                        raise explained from error
                    raise


def _apply_over_netlink(step: HostStep | LinkStep, link_index: Callable[[], int], netlink: Netlink) -> None:
    match step:
        case AddFallback() | RemoveFallback() | AddRule() | RemoveRule() | SetGuard() | RemoveGuard():
            _apply_to_host(step, netlink)
        case _:
            _apply_to_link(step, link_index(), netlink)


def _is_done(step: Step, error: HostError) -> bool:
    """Return True if the host refused the step because another program was faster.

    A route that exists may be another's and lead elsewhere, which is an error.
    """
    match step:
        case AddAddress() | AddConnectedRoute() | AddFallback() | AddRule():
            return error.errno == errno.EEXIST
        case RemoveAddress():
            return error.errno == errno.EADDRNOTAVAIL
        case RemoveRoute() | RemoveFallback():
            return error.errno == errno.ESRCH
        case RemoveRule() | SetRouteMtu():
            return error.errno == errno.ENOENT
        case _:
            return False


def _apply_to_host(step: HostStep, netlink: Netlink) -> None:
    match step:
        case AddFallback(fallback):
            netlink.add_fallback(fallback.destination, fallback.table)
        case RemoveFallback(fallback):
            netlink.remove_fallback(fallback.destination, fallback.table)
        case AddRule(rule):
            netlink.add_rule(rule)
        case RemoveRule(rule):
            netlink.remove_rule(rule)
        case SetGuard(guard):
            set_guard(guard, netlink)
        case RemoveGuard(link, version):
            remove_guard(link, version, netlink)
        case _:
            assert_never(step)


def _apply_to_link(step: LinkStep, index: int, netlink: Netlink) -> None:
    match step:
        case SetMtu(mtu):
            netlink.set_mtu(index, mtu)
        case PromoteSecondaries():
            netlink.promote_secondaries(index)
        case AddAddress(address):
            netlink.add_address(index, address)
        case RemoveAddress(address):
            netlink.remove_address(index, address)
        case SetUp():
            netlink.set_up(index, up=True)
        case AddRoute(route):
            netlink.add_route(index, route.destination, route.table, route.mtu)
        case SetRouteMtu(route):
            netlink.set_route_mtu(index, route.destination, route.table, route.mtu)
        case AddConnectedRoute(address):
            netlink.add_connected_route(index, address)
        case RemoveRoute(route):
            netlink.remove_route(index, route.destination, route.table)
        case _:
            assert_never(step)


def _explained(step: Step, link: str, netlink: Netlink, error: HostError) -> HostError | None:
    """Return a better error where the kernel did not name the reason, else None."""
    match step:
        case AddAddress(address) if address.version == 6:
            return _without_ipv6(link, error)
        case AddRoute(route) if route.destination.version == 6:
            return _without_ipv6(link, error)
        case SetUp() if error.code == "host.port_in_use":  # the kernel binds it at this step
            problem = f"UDP port {netlink.wireguard_get(link).listen_port} is in use by another program"
            return HostError(problem, code=error.code, errno=error.errno)
        case _:
            return None


def _without_ipv6(link: str, error: HostError) -> HostError:
    """Return an error that names disabled IPv6, for which the kernel only reports a missing permission."""
    with suppress(OSError):
        if (IPV6 / link / "disable_ipv6").read_text().strip() == "0":
            return error
    return HostError(f"{error}: IPv6 is disabled on this host", code="host.no_ipv6", errno=error.errno)
