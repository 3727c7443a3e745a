"""Tell whether a change of the host may concern an interface. Pure."""

from __future__ import annotations

from warren._core import HostChanges
from warren.tunnel.status import InterfaceStatus


def may_concern(changes: HostChanges, observed: InterfaceStatus) -> bool:
    """Return True if `observed` may differ from the host after these changes.

    The kernel says which link, table or destination a change has. It does not say which route was replaced by another,
    only for which destination.
    """
    if changes.lost or observed.name in changes.guards:
        return True
    if changes.rules and (observed.rules or observed.fallbacks):
        return True
    if not changes.tables.isdisjoint(fallback.table for fallback in observed.fallbacks):
        return True
    link = observed.link
    if link is None:
        return False
    if link.index in changes.links:
        return True
    return bool(changes.replaced) and not changes.replaced.isdisjoint(link.destinations)
