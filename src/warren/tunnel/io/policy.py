"""Policy routing of this host: unused marks, and rules, fallbacks and guards of interfaces that are gone.

An interface whose routes another program took away looks like one that is gone until it is reconciled. So this process
records the marks of its own interfaces, and removes nothing that has such a mark.
"""

from __future__ import annotations

import errno
import threading
from dataclasses import replace

from warren._core import LinkRoute, Netlink, PolicyRule
from warren.errors import HostError
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.nft_guard import sweep_guards
from warren.tunnel.io.observe import as_rule
from warren.tunnel.routes import FIRST_POLICY_TABLE, TUNNEL_MARKS, policy_table
from warren.tunnel.status import InterfaceStatus

CHOICE_OF_MARK = threading.Lock()
"""Held from the choice of a mark until a rule names it: networks have threads of their own."""


def with_policy(config: InterfaceConfig, netlink: Netlink, observed: InterfaceStatus | None = None) -> InterfaceConfig:
    """Return `config` with the endpoints that were observed, and with a mark if it needs policy rules and has none.

    An interface with such rules keeps its mark, whatever another program took away or changed; else it is the first
    from 51820 whose table is empty. The caller holds `CHOICE_OF_MARK` until the rules are there, so that no other
    interface of this process chooses the same.
    """
    peers = () if observed is None else observed.peers
    endpoints = (None if peer.endpoint is None else peer.endpoint.address for peer in peers)
    config = replace(config, roamed_to=tuple(address for address in endpoints if address is not None))
    if policy_table(config) is None or config.fwmark:
        return config
    return replace(config, fwmark=kept_mark(observed) or free_mark(netlink))


def kept_mark(observed: InterfaceStatus | None) -> int:
    """Return the mark that an interface has for its policy rules, or had before others took parts away; 0 for none."""
    if observed is None:
        return 0
    rules = (rule.fwmark for rule in observed.rules)
    fallbacks = (fallback.table for fallback in observed.fallbacks)
    routes = () if observed.link is None else observed.link.routes
    tables = (route.table for route in routes if route.table in TUNNEL_MARKS)
    guards = (guard.fwmark for guard in observed.guards or ())
    return next((mark for mark in (*rules, *fallbacks, *tables, *guards) if mark), 0)


def free_mark(netlink: Netlink) -> int:
    """Return the first mark of tunnels whose table is empty and which no rule of ours names. Raises HostError."""
    named = {rule.fwmark for rule in netlink.rules()}
    for number in range(len(TUNNEL_MARKS)):
        mark = TUNNEL_MARKS[(FIRST_POLICY_TABLE - TUNNEL_MARKS.start + number) % len(TUNNEL_MARKS)]
        if mark not in named and not netlink.table_routes(mark):
            return mark
    problem = f"no routing table from {TUNNEL_MARKS.start} to {TUNNEL_MARKS.stop - 1} is free"
    raise HostError(problem, code="host.refused", hint="set fwmark to a number whose routing table is free")


class ActiveMarks:
    """The marks of the interfaces of this process that have policy rules; one host has one set."""

    def __init__(self) -> None:
        self._mark_of: dict[str, int] = {}

    def record(self, link: str, mark: int | None) -> None:
        """Record the mark of an interface; None if it has no policy rules any more."""
        if mark is None:
            self._mark_of.pop(link, None)
        else:
            self._mark_of[link] = mark

    def of(self, link: str) -> int:
        """Return the mark of an interface, 0 for none."""
        return self._mark_of.get(link, 0)

    def __contains__(self, mark: object) -> bool:
        return mark in tuple(self._mark_of.values())


active_marks = ActiveMarks()


def release_policy(link: str, netlink: Netlink) -> None:
    """Forget the mark of an interface that is gone, and remove its rules, fallbacks and guards."""
    active_marks.record(link, None)
    remove_stale_policy(netlink)


def remove_stale_policy(netlink: Netlink) -> None:
    """Remove our rules, fallbacks and guards whose interface is gone: no route of ours is in its own table.

    The kernel removes the routes of a link with it, but not these. Rules go first: until then, the fallback holds.
    """
    for rule in netlink.rules():
        if rule.fwmark not in active_marks and not _has_policy_route(rule.version, rule.fwmark, netlink):
            _remove(rule, netlink)
    for route in netlink.fallbacks():
        version = route.destination.version
        if route.table not in active_marks and not _has_policy_route(version, route.table, netlink):
            _remove_fallback(route, netlink)
    sweep_guards(netlink, active_marks)


def _has_policy_route(version: int, table: int, netlink: Netlink) -> bool:
    routes = (route for route in netlink.table_routes(table) if route.ours and not route.unreachable)
    return any(route.destination.version == version for route in routes)


def _remove(rule: PolicyRule, netlink: Netlink) -> None:
    try:
        netlink.remove_rule(as_rule(rule))
    except HostError as error:
        if error.errno != errno.ENOENT:  # it was removed meanwhile
            raise


def _remove_fallback(route: LinkRoute, netlink: Netlink) -> None:
    try:
        netlink.remove_fallback(route.destination, route.table)
    except HostError as error:
        if error.errno != errno.ESRCH:  # it was removed meanwhile
            raise
