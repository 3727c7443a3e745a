"""The guards of default routes on this host, and the setting that makes the kernel heed their marks.

Where a link checks the reverse path strictly, the check asks without a mark unless net.ipv4.conf.all.src_valid_mark is
set. That is done where it is needed, and the table says so from before it is done until after it is undone: whatever
ends this process between, the next one knows. Who may make the table may set it too, for its own network namespace.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from warren._core import Netlink, RouteGuard
from warren.errors import HostError, InterfaceError
from warren.tunnel.nft_guard import Guard

CONF = Path("/proc/sys/net/ipv4/conf")
VALID_MARK = CONF / "all" / "src_valid_mark"
STRICT = 1


class ValidMark:
    """The setting, as this process has changed it. `changing` is held meanwhile: networks have threads of their own."""

    def __init__(self) -> None:
        self.changing = threading.Lock()
        self.was_set_here = False
        """Known here too: whoever flushes the ruleset takes the tables away that say so."""

    def set(self) -> None:
        """Raises OSError."""
        VALID_MARK.write_text("1")
        self.was_set_here = True

    def take_back(self) -> None:
        """Raises HostError."""
        try:
            if _setting("all", "src_valid_mark"):
                VALID_MARK.write_text("0")
        except OSError as error:
            raise HostError(f"{VALID_MARK}: {error.strerror}", code="host.refused", errno=error.errno) from error
        self.was_set_here = False


_valid_mark = ValidMark()


def observed_guards(link: str, netlink: Netlink) -> tuple[Guard, ...] | None:
    """Those of an interface that do what they are for; None where the kernel has no nf_tables.

    For a process that may not ask there are none.
    """
    try:
        found = find_guards(netlink)
    except HostError as error:
        if error.errno != errno.EPERM:
            raise
        return ()
    if found is None:
        return None
    in_vain = {4} if answers_are_dropped(link) else set()
    own = (guard for guard in found if guard.link == link and guard.version not in in_vain)
    return tuple(Guard(guard.link, guard.version, guard.fwmark, tuple(guard.addresses)) for guard in own)


def set_guard(guard: Guard, netlink: Netlink) -> None:
    """Makes it, or changes it to this. Raises HostError, with nothing of it left if it was not there before.

    Without nf_tables it is passed over where answers come through without it.
    """
    with _valid_mark.changing:
        found, is_needed = find_guards(netlink), guard.version == 4 and answers_are_dropped(guard.link)
        if found is None and not is_needed:
            return
        was_set = _valid_mark.was_set_here or any(other.sets_valid_mark for other in found or ())
        sets = guard.version == 4 and (is_needed or was_set)
        netlink.set_guard(guard, sets_valid_mark=sets)
        if is_needed:
            try:
                _valid_mark.set()
            except OSError as error:
                netlink.remove_guard(guard.link, guard.version)
                problem = f"with a default route, this host drops what comes from the far side: {VALID_MARK}: "
                raise HostError(
                    problem + str(error.strerror), code="host.reverse_path_filter", errno=error.errno
                ) from error


def remove_guard(link: str, version: int, netlink: Netlink) -> None:
    """Removes it; one that is gone already is no error. Raises HostError."""
    with _valid_mark.changing:
        found = find_guards(netlink) or ()
        for guard in found:
            if (guard.link, guard.version) == (link, version):
                _remove(guard, found, netlink)


def sweep_guards(netlink: Netlink) -> None:
    """Removes ours whose interface is gone, or has no such default route any more. Raises HostError."""
    with _valid_mark.changing:
        found = list(find_guards(netlink) or ())
        for guard in tuple(found):
            if not _is_led_to(guard, netlink):
                _remove(guard, found, netlink)
                found.remove(guard)


def find_guards(netlink: Netlink) -> Sequence[RouteGuard] | None:
    """All of ours; None where the kernel has no nf_tables. Raises HostError."""
    try:
        return netlink.guards()
    except HostError as error:
        if error.code == "host.no_nftables":
            return None
        raise


def answers_are_dropped(link: str) -> bool:
    """Whether some link but this one checks strictly, and without the mark: the stricter of two settings counts."""
    if _setting("all", "src_valid_mark"):
        return False
    links = {path.name for path in CONF.iterdir()} - {"all", "default", "lo", link}
    everywhere = _setting("all", "rp_filter")
    return any(max(everywhere, _setting(name, "rp_filter")) == STRICT for name in links)


def _remove(guard: RouteGuard, found: Sequence[RouteGuard], netlink: Netlink) -> None:
    """The setting goes first: were it the table, a process that is killed between would leave the setting behind."""
    is_last = not any(other.sets_valid_mark for other in found if other is not guard)
    if guard.sets_valid_mark and is_last:
        _valid_mark.take_back()
    try:
        netlink.remove_guard(guard.link, guard.version)
    except HostError as error:
        if error.errno != errno.ENOENT:  # whoever made it was faster
            raise


def _is_led_to(guard: RouteGuard, netlink: Netlink) -> bool:
    with suppress(InterfaceError):
        routes = netlink.routes(netlink.link(guard.link).index)
        defaults = (route.destination for route in routes if route.ours and route.destination.prefixlen == 0)
        return any(destination.version == guard.version for destination in defaults)
    return False


def _setting(link: str, name: str) -> int:
    """One of ip-sysctl's; 0 for a link that has gone meanwhile."""
    try:
        return int((CONF / link / name).read_text())
    except OSError:
        return 0
