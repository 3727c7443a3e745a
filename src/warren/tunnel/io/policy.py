"""Policy routing of this host: unused marks, and rules of interfaces that are gone."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace

from warren._core import Netlink, PolicyRule
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

    An interface with such rules keeps its mark; else it is the first from 51820 whose table is empty. The caller holds
    `CHOICE_OF_MARK` until the rules are there, so that no other interface of this process chooses the same.
    """
    peers = () if observed is None else observed.peers
    endpoints = (None if peer.endpoint is None else peer.endpoint.address for peer in peers)
    config = replace(config, roamed_to=tuple(address for address in endpoints if address is not None))
    if policy_table(config) is None or config.fwmark:
        return config
    has_rules = observed is not None and bool(observed.rules)
    return replace(config, fwmark=observed.fwmark if observed is not None and has_rules else free_mark(netlink))


def free_mark(netlink: Netlink) -> int:
    """Return the first mark of tunnels whose table is empty and which no rule of ours names. Raises HostError."""
    named = {rule.fwmark for rule in netlink.rules()}
    for number in range(len(TUNNEL_MARKS)):
        mark = TUNNEL_MARKS[(FIRST_POLICY_TABLE - TUNNEL_MARKS.start + number) % len(TUNNEL_MARKS)]
        if mark not in named and not netlink.table_routes(mark):
            return mark
    problem = f"no routing table from {TUNNEL_MARKS.start} to {TUNNEL_MARKS.stop - 1} is free"
    raise HostError(problem, code="host.refused", hint="set fwmark to a number whose routing table is free")


def remove_stale_policy(netlink: Netlink) -> None:
    """Remove our rules and guards whose interface is gone: only of those there is no route of ours in the own table.

    The kernel removes the routes of a link with it, but not its rules and guards.
    """
    for rule in netlink.rules():
        if not _has_policy_route(rule, netlink):
            _remove(rule, netlink)
    sweep_guards(netlink)


def _has_policy_route(rule: PolicyRule, netlink: Netlink) -> bool:
    return any(route.ours and route.destination.version == rule.version for route in netlink.table_routes(rule.fwmark))


def _remove(rule: PolicyRule, netlink: Netlink) -> None:
    try:
        netlink.remove_rule(as_rule(rule))
    except HostError as error:
        if error.errno != errno.ENOENT:  # it was removed meanwhile
            raise
