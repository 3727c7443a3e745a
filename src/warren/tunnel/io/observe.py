"""Observe interfaces: the engine over its UAPI socket or netlink; what the host has for it over netlink."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from warren._core import UAPI_DIRECTORY, DeviceStatus, Link, LinkRoute, Netlink, PolicyRule, uapi_get
from warren.clock import monotonic_seconds
from warren.errors import HostError, InterfaceError, RemoteError, WarrenError
from warren.files.directory import open_directory
from warren.tunnel.config import SYSTEM_TABLES, IPInterface
from warren.tunnel.io.nft_guard import observed_guards
from warren.tunnel.nft_guard import Guard
from warren.tunnel.routes import TUNNEL_MARKS, Fallback, Route, Rule
from warren.tunnel.status import InterfaceStatus, LinkStatus, interface_status

SUFFIX = ".sock"
KERNEL_KIND = "wireguard"
TUNNELS = (KERNEL_KIND, "tun")
BIND_TIMEOUT_SECONDS = 2.0
POLL_INTERVAL = 0.01


@dataclass(frozen=True, slots=True)
class Survey:
    """The status of several interfaces, and the errors of those that did not answer."""

    interfaces: tuple[InterfaceStatus, ...]
    failures: dict[str, WarrenError]


def observe(name: str, netlink: Netlink) -> InterfaceStatus:
    """Return the status of one interface, whichever program or kernel serves it. Raises WarrenError if nothing does."""
    link = find_link(name, netlink)
    in_kernel = link is not None and link.kind == KERNEL_KIND
    return join_status(name, netlink.wireguard_get(name) if in_kernel else query_engine(name), netlink)


def query_engine(name: str) -> DeviceStatus:
    """Return the engine's part over its socket. Raises InterfaceError if nothing answers, or if the link is gone."""
    try:
        return uapi_get(name)
    except InterfaceError as error:
        if not socket_path(name).exists():
            raise InterfaceError(f"no userspace WireGuard serves {name}", code="interface.not_served") from error
        problem = f"{name} is not up: its engine was killed and left the stale socket {socket_path(name)}"
        raise InterfaceError(problem, code="interface.stale") from error
    except RemoteError as error:
        if error.errno != errno.ENODEV:
            raise
        problem = f"{name} is not up: its link was deleted while its engine was running"
        raise InterfaceError(problem, code="interface.ended") from error


def observe_bound(name: str, netlink: Netlink) -> InterfaceStatus:
    """Return the status of an interface that was just set up, once its engine has bound a port.

    That takes milliseconds.
    """
    deadline = monotonic_seconds() + BIND_TIMEOUT_SECONDS
    while True:
        status = observe(name, netlink)
        if status.listen_port or monotonic_seconds() > deadline:
            return status
        time.sleep(POLL_INTERVAL)


def join_status(name: str, device: DeviceStatus, netlink: Netlink) -> InterfaceStatus:
    """Return an engine's status joined with its link, rules, guards and fallbacks."""
    return join_host(name, device, observe_host(name, device.fwmark, netlink))


@dataclass(frozen=True, slots=True)
class HostPart:
    """Hold what the host has for an interface with the mark `fwmark`, without its engine."""

    fwmark: int
    link: LinkStatus | None
    rules: tuple[Rule, ...]
    fallbacks: tuple[Fallback, ...]
    guards: tuple[Guard, ...] | None


def observe_host(name: str, fwmark: int, netlink: Netlink) -> HostPart:
    """Return the link, rules, guards and fallbacks of an interface; this lists all of its routes."""
    link = find_link(name, netlink)
    status = None if link is None else link_status(link, netlink)
    rules, fallbacks = policy_of(fwmark, link, status, netlink)
    return HostPart(fwmark, status, rules, fallbacks, observed_guards(name, netlink))


def join_host(name: str, device: DeviceStatus, host: HostPart) -> InterfaceStatus:
    """Return an engine's status joined with the rest."""
    status = interface_status(name, device, host.link)
    return replace(status, rules=host.rules, guards=host.guards, fallbacks=host.fallbacks)


def find_link(name: str, netlink: Netlink) -> Link | None:
    """Return the link of that name in this network namespace, or None."""
    try:
        return netlink.link(name)
    except InterfaceError:
        return None


def lan_addresses(netlink: Netlink) -> dict[str, tuple[IPInterface, ...]]:
    """Return the addresses of this host's links, without tunnels and the loopback. Raises WarrenError."""
    links = (find_link(name, netlink) for _, name in socket.if_nameindex() if name != "lo")
    return {
        link.name: tuple(each.address for each in netlink.addresses(link.index) if not each.address.is_link_local)
        for link in links
        if link is not None and link.kind not in TUNNELS
    }


def link_status(link: Link, netlink: Netlink) -> LinkStatus:
    """Return a link with its addresses and the routes that Warren made."""
    found, addresses = netlink.routes(link.index), netlink.addresses(link.index)
    routes = [(Route(route.destination, route.table, route.mtu), route.ours) for route in found]
    return LinkStatus(
        up=link.up,
        mtu=link.mtu,
        addresses=tuple(each.address for each in addresses),
        routes=tuple(route for route, ours in routes if ours),
        own_addresses=frozenset(each.address for each in addresses if each.ours),
        all_routes=frozenset(route for route, _ in routes),
        index=link.index,
        promotes_secondaries=link.promotes_secondaries,
    )


def policy_of(
    fwmark: int, link: Link | None, status: LinkStatus | None, netlink: Netlink
) -> tuple[tuple[Rule, ...], tuple[Fallback, ...]]:
    """Return the rules of an interface, and the fallbacks in its own table, that Warren made.

    Its rules are those with its mark, or with the mark of a table that has a route into it: another program may have
    changed the mark, or this one may have been killed while it changed it. If two interfaces share a mark, each has
    those of the IP versions whose routes in that table are its own.
    """
    tables = {route.table for route in (() if status is None else status.routes)}
    rules = [rule for rule in netlink.rules() if rule.fwmark in {fwmark, *tables}]
    marks = {fwmark, *(rule.fwmark for rule in rules), *tables.intersection(TUNNEL_MARKS)}
    found: list[Rule] = []
    fallbacks: list[Fallback] = []
    for mark in sorted(marks.difference((0, *SYSTEM_TABLES))):
        routes = [route for route in netlink.table_routes(mark) if route.ours]
        others = versions_of_others(routes, link)
        found += (as_rule(rule) for rule in rules if rule.fwmark == mark and rule.version not in others)
        own = (route.destination for route in routes if route.unreachable)
        fallbacks += (Fallback(destination, mark) for destination in own if destination.version not in others)
    return tuple(found), tuple(fallbacks)


def versions_of_others(routes: Sequence[LinkRoute], link: Link | None) -> set[int]:
    """Return the IP versions of the routes that lead into other links."""
    index = None if link is None else link.index
    return {route.destination.version for route in routes if route.link not in (None, index) and not route.unreachable}


def as_rule(rule: PolicyRule) -> Rule:
    """Return a rule of the host in the terms of a plan."""
    return Rule(
        version=rule.version,
        fwmark=rule.fwmark,
        table=rule.table,
        priority=rule.priority,
        suppress_prefix_length=rule.suppress_prefix_length,
        invert=rule.invert,
        fwmask=rule.fwmask,
    )


def socket_path(name: str) -> Path:
    """Return the path of an interface's UAPI socket."""
    return Path(UAPI_DIRECTORY) / f"{name}{SUFFIX}"


def survey(names: Sequence[str]) -> Survey:
    """Observe every one of `names`."""
    netlink = Netlink.open()
    interfaces: list[InterfaceStatus] = []
    failures: dict[str, WarrenError] = {}
    for name in names:
        try:
            interfaces.append(observe(name, netlink))
        except WarrenError as error:
            failures[name] = error
    return Survey(tuple(interfaces), failures)


def served_interfaces() -> tuple[str, ...]:
    """Return the interfaces that have a socket, live or stale. Raises HostError if their directory cannot be read."""
    try:
        with open_directory(Path(UAPI_DIRECTORY)) as directory:
            return tuple(name.removesuffix(SUFFIX) for name in directory.names() if name.endswith(SUFFIX))
    except FileNotFoundError:
        return ()
    except OSError as error:
        problem = f"{UAPI_DIRECTORY}: {error.strerror}"
        raise HostError(problem, code="host.not_permitted", errno=error.errno) from error
