"""The capabilities that the agent keeps when it drops privileges.

It keeps CAP_NET_ADMIN for links, routes and rules unless every network has a stack of its own (W-34), CAP_IPC_LOCK so
that the limit of locked memory does not apply to its keys (H-74), and CAP_NET_RAW only if the host permits none of its
groups to send ICMP echo requests (icmp(7), ping_group_range).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from warren._core import drop_privileges as drop_process_privileges
from warren.errors import HostError
from warren.privsep.io.service_user import ROOT, ServiceUser

# linux/capability.h
CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK = 1 << 12, 1 << 13, 1 << 14
STATUS = Path("/proc/self/status")
PING_GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")

# What Python imports when it first needs it, from a place that another user may not read: getaddrinfo(3)'s encoding,
# and that of a configuration, which is not imported if the first one was empty.
LATE_IMPORTS = ("encodings.idna", "encodings.utf_8_sig")


def may_administer_network() -> bool:
    """Return True if this process has CAP_NET_ADMIN."""
    return bool(_permitted() & CAP_NET_ADMIN)


def verify_capabilities() -> None:
    """Raise HostError if this process lacks CAP_NET_ADMIN (H-78)."""
    if not may_administer_network():
        hint = (
            "start it as root: it keeps this capability and becomes another user; or give it to the launcher: "
            f"setcap cap_net_admin,cap_ipc_lock=+eip {sys.argv[0]}; or by its unit: AmbientCapabilities=CAP_NET_ADMIN"
        )
        raise HostError("this process lacks CAP_NET_ADMIN (cap_net_admin)", code="privilege.missing", hint=hint)


def drop_privileges(user: ServiceUser, *, keeps_net_admin: bool = True) -> None:
    """Become the service's user for good. Call it before the first thread. Raises HostError."""
    if user.uid == ROOT:
        return
    for module in LATE_IMPORTS:
        importlib.import_module(module)
    kept = (CAP_NET_ADMIN if keeps_net_admin else 0) | CAP_IPC_LOCK | (0 if _may_send_echoes(user) else CAP_NET_RAW)
    drop_process_privileges(user.uid, user.gid, [*user.groups], kept & _permitted())


def _permitted() -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:"))


def _may_send_echoes(user: ServiceUser) -> bool:
    """Return whether one of its groups is in the range; without a range none is."""
    try:
        lowest, highest = map(int, PING_GROUPS.read_text().split())
    except OSError:
        return False
    return any(lowest <= gid <= highest for gid in (user.gid, *user.groups))
