"""Policy routing of this host: a mark that nobody uses, rules whose interface is gone, and what would drop answers."""

from __future__ import annotations

import errno
import itertools
from dataclasses import replace
from pathlib import Path

from warren._core import Netlink, PolicyRule
from warren.errors import HostError
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.observe import as_rule
from warren.tunnel.routes import FIRST_POLICY_TABLE, policy_table, rules_for
from warren.tunnel.status import InterfaceStatus

CONF = Path("/proc/sys/net/ipv4/conf")
STRICT = 1


def with_mark(config: InterfaceConfig, netlink: Netlink, observed: InterfaceStatus | None = None) -> InterfaceConfig:
    """`config` with the mark that its default route takes, where it has such a route and names no mark.

    An interface with such a route keeps the mark that it has; else it is the first from 51820 whose table is empty.
    Raises HostError, where it has no such route yet, if nothing would come back.
    """
    if policy_table(config) is None:
        return config
    has_rules = observed is not None and bool(observed.rules)
    if not has_rules:
        check_reverse_path(config)
    if config.fwmark:
        return config
    return replace(config, fwmark=observed.fwmark if observed is not None and has_rules else free_mark(netlink))


def check_reverse_path(config: InterfaceConfig) -> None:
    """Raises HostError if this host drops over each of its links what the far side sends over IPv4.

    A strict check (RFC 3704, section 2.2) asks for the way back without the mark, and that leads into the tunnel; with
    src_valid_mark it asks with the mark that somebody gave the datagram.
    """
    if all(rule.version != 4 for rule in rules_for(config)) or _setting("all", "src_valid_mark"):
        return
    links = {path.name for path in CONF.iterdir()} - {"all", "default", "lo", config.name}
    if {max(_setting("all", "rp_filter"), _setting(link, "rp_filter")) for link in links} == {STRICT}:
        problem = "this host drops what comes from the far side: with a default route, its way back is the tunnel"
        raise HostError(problem, code="host.reverse_path")


def _setting(link: str, name: str) -> int:
    """One of ip-sysctl's; 0 for a link that has gone meanwhile."""
    try:
        return int((CONF / link / name).read_text())
    except OSError:
        return 0


def free_mark(netlink: Netlink) -> int:
    """The first whose table is empty, and which no rule of ours names."""
    named = {rule.fwmark for rule in netlink.rules()}
    marks = itertools.count(FIRST_POLICY_TABLE)
    return next(mark for mark in marks if mark not in named and not netlink.table_routes(mark))


def sweep(netlink: Netlink) -> None:
    """Removes our rules whose interface is gone: of those alone the table has no default route of ours.

    The kernel takes a link's routes away with it, however it went, and leaves its rules.
    """
    for rule in netlink.rules():
        if not _is_led_to(rule, netlink):
            _remove(rule, netlink)


def _is_led_to(rule: PolicyRule, netlink: Netlink) -> bool:
    return any(route.ours and route.destination.version == rule.version for route in netlink.table_routes(rule.fwmark))


def _remove(rule: PolicyRule, netlink: Netlink) -> None:
    try:
        netlink.remove_rule(as_rule(rule))
    except HostError as error:
        if error.errno != errno.ENOENT:  # whoever made it was faster
            raise
