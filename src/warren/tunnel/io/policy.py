"""Policy routing of this host: unused marks, and rules of interfaces that are gone."""

from __future__ import annotations

import errno
import itertools
from dataclasses import replace

from warren._core import Netlink, PolicyRule
from warren.errors import HostError
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.nft_guard import sweep_guards
from warren.tunnel.io.observe import as_rule
from warren.tunnel.routes import FIRST_POLICY_TABLE, policy_table
from warren.tunnel.status import InterfaceStatus


def with_mark(config: InterfaceConfig, netlink: Netlink, observed: InterfaceStatus | None = None) -> InterfaceConfig:
    """Return `config` with the mark for its default route, if it has such a route and no mark.

    An interface with such a route keeps its mark; else it is the first from 51820 whose table is empty.
    """
    if policy_table(config) is None or config.fwmark:
        return config
    has_rules = observed is not None and bool(observed.rules)
    return replace(config, fwmark=observed.fwmark if observed is not None and has_rules else free_mark(netlink))


def free_mark(netlink: Netlink) -> int:
    """Return the first mark whose table is empty and which no rule of ours names."""
    named = {rule.fwmark for rule in netlink.rules()}
    marks = itertools.count(FIRST_POLICY_TABLE)
    return next(mark for mark in marks if mark not in named and not netlink.table_routes(mark))


def remove_stale_policy(netlink: Netlink) -> None:
    """Remove our rules and guards whose interface is gone: only of those there is no default route of ours.

    The kernel removes the routes of a link with it, but not its rules and guards.
    """
    for rule in netlink.rules():
        if not _has_default_route(rule, netlink):
            _remove(rule, netlink)
    sweep_guards(netlink)


def _has_default_route(rule: PolicyRule, netlink: Netlink) -> bool:
    return any(route.ours and route.destination.version == rule.version for route in netlink.table_routes(rule.fwmark))


def _remove(rule: PolicyRule, netlink: Netlink) -> None:
    try:
        netlink.remove_rule(as_rule(rule))
    except HostError as error:
        if error.errno != errno.ENOENT:  # it was removed meanwhile
            raise
