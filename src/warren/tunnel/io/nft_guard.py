"""The guards of interfaces with policy rules on this host, and the setting that makes the kernel use their marks.

A strict reverse path check ignores marks unless net.ipv4.conf.all.src_valid_mark is set. Warren sets it where it is
needed. The table records that from before the setting is changed until after it is restored, so whatever ends this
process in between, the next one knows. A process that may create the table may also change the setting, as both belong
to its network namespace.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Container, Sequence
from contextlib import suppress
from pathlib import Path

from warren._core import Netlink, RouteGuard
from warren.errors import HostError, InterfaceError
from warren.tunnel.nft_guard import Guard

CONF = Path("/proc/sys/net/ipv4/conf")
VALID_MARK = CONF / "all" / "src_valid_mark"
STRICT = 1


class ValidMark:
    """The setting, as this process has changed it.

    `changing` is held during a change: networks have threads of their own.
    """

    def __init__(self) -> None:
        self.changing = threading.Lock()
        self.was_set_here = False
        """Recorded here too: `nft flush ruleset` removes the tables that record it."""

    def set(self) -> None:
        """Set it. Raises OSError."""
        VALID_MARK.write_text("1")
        self.was_set_here = True

    def undo(self) -> None:
        """Restore it. Raises HostError."""
        try:
            if _setting("all", "src_valid_mark"):
                VALID_MARK.write_text("0")
        except OSError as error:
            raise HostError(f"{VALID_MARK}: {error.strerror}", code="host.refused", errno=error.errno) from error
        self.was_set_here = False


_valid_mark = ValidMark()


def observed_guards(link: str, netlink: Netlink) -> tuple[Guard, ...] | None:
    """Return the effective guards of an interface; None if the kernel has no nf_tables.

    Without the permission to read them there are none.
    """
    try:
        guards = find_guards(netlink)
    except HostError as error:
        if error.errno != errno.EPERM:
            raise
        return ()
    if guards is None:
        return None
    without_effect = {4} if answers_are_dropped(link) else set()
    own = (guard for guard in guards if guard.link == link and guard.version not in without_effect)
    return tuple(Guard(guard.link, guard.version, guard.fwmark, tuple(guard.addresses)) for guard in own)


def set_guard(guard: Guard, netlink: Netlink) -> None:
    """Create or replace a guard. Raises HostError, with nothing left of a new one.

    Without nf_tables it is skipped if answers arrive without it.
    """
    with _valid_mark.changing:
        guards, is_needed = find_guards(netlink), guard.version == 4 and answers_are_dropped(guard.link)
        if guards is None and not is_needed:
            return
        was_set = _valid_mark.was_set_here or any(other.sets_valid_mark for other in guards or ())
        sets = guard.version == 4 and (is_needed or was_set)
        netlink.set_guard(guard, sets_valid_mark=sets)
        if is_needed:
            try:
                _valid_mark.set()
            except OSError as error:
                netlink.remove_guard(guard.link, guard.version)
                problem = f"with a default route, this host would drop packets from the peer: {VALID_MARK}: "
                raise HostError(
                    problem + str(error.strerror), code="host.reverse_path_filter", errno=error.errno
                ) from error


def remove_guard(link: str, version: int, netlink: Netlink) -> None:
    """Remove a guard; a missing one is no error. Raises HostError."""
    with _valid_mark.changing:
        guards = find_guards(netlink) or ()
        for guard in guards:
            if (guard.link, guard.version) == (link, version):
                _remove(guard, guards, netlink)


def sweep_guards(netlink: Netlink, active_marks: Container[int] = ()) -> None:
    """Remove our guards whose interface, or its routes in its own table, are gone, except those with a mark in use.

    Raises HostError.
    """
    with _valid_mark.changing:
        guards = list(find_guards(netlink) or ())
        for guard in tuple(guards):
            if guard.fwmark not in active_marks and not _has_policy_route(guard, netlink):
                _remove(guard, guards, netlink)
                guards.remove(guard)


def find_guards(netlink: Netlink) -> Sequence[RouteGuard] | None:
    """Return all of our guards; None if the kernel has no nf_tables. Raises HostError."""
    try:
        return netlink.guards()
    except HostError as error:
        if error.code == "host.no_nftables":
            return None
        raise


def answers_are_dropped(link: str) -> bool:
    """Return True if another link checks the reverse path strictly and without marks; the stricter setting counts."""
    if _setting("all", "src_valid_mark"):
        return False
    links = {path.name for path in CONF.iterdir()} - {"all", "default", "lo", link}
    everywhere = _setting("all", "rp_filter")
    return any(max(everywhere, _setting(name, "rp_filter")) == STRICT for name in links)


def _remove(guard: RouteGuard, guards: Sequence[RouteGuard], netlink: Netlink) -> None:
    """Restore the setting, then remove the table: a process killed in between must not leave the setting behind."""
    is_last = not any(other.sets_valid_mark for other in guards if other is not guard)
    if guard.sets_valid_mark and is_last:
        _valid_mark.undo()
    try:
        netlink.remove_guard(guard.link, guard.version)
    except HostError as error:
        if error.errno != errno.ENOENT:  # it was removed meanwhile
            raise


def _has_policy_route(guard: RouteGuard, netlink: Netlink) -> bool:
    with suppress(InterfaceError):
        routes = netlink.routes(netlink.link(guard.link).index)
        own = (route for route in routes if route.ours and route.table == guard.fwmark)
        return any(route.destination.version == guard.version for route in own)
    return False


def _setting(link: str, name: str) -> int:
    """Return a value of ip-sysctl; 0 for a link that was removed meanwhile."""
    try:
        return int((CONF / link / name).read_text())
    except OSError:
        return 0
