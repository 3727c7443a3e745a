"""What an agent that was killed has left: links in the kernel, which unlike an engine's own outlive their process."""

from __future__ import annotations

import socket
from collections.abc import Collection

from warren._core import Netlink
from warren.tunnel.io.link_owner import is_left_by
from warren.tunnel.io.observe import KERNEL_KIND, find_link


def remove_orphans(home: str, netlink: Netlink, kept: Collection[str] = ()) -> tuple[str, ...]:
    """Deletes those of the agent of that home, with their addresses and routes, but for `kept`; answers their names.

    Links of others, and of an agent that runs, are only read. Raises WarrenError.
    """
    removed = []
    for _, name in socket.if_nameindex():
        link = find_link(name, netlink)
        if link is None or name in kept or link.kind != KERNEL_KIND or not link.ours:
            continue
        if is_left_by(home, link.alias):
            netlink.delete_link(link.index)
            removed.append(name)
    return tuple(removed)
