"""Find what a reload would remove as a whole: every network of the file, or every peer of one network.

An empty or truncated file can be valid. A file that was truncated while it was written says the same as one whose owner
wants everything gone, so the difference has to be confirmed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from warren.errors import Finding
from warren.tunnel.network import NetworkConfig

NAMED = 5  # as many as a reader of one line takes in


def removal_findings(
    before: Sequence[NetworkConfig], after: Sequence[NetworkConfig], disabled: Collection[str]
) -> Iterator[Finding]:
    """Yield a finding if no enabled network would remain, and one for each network that would lose all its peers.

    `disabled` names the networks that the new file disables explicitly: these were not lost by accident.
    """
    enabled = [network for network in before if network.enabled]
    remaining = {network.name: network for network in after if network.enabled or network.name in disabled}
    if enabled and not remaining:
        names = _named([network.name for network in enabled])
        yield Finding("network", f"no enabled network is left: this would remove {names}", "expected at least one")
        return
    for network in enabled:
        successor = remaining.get(network.name)
        if successor is not None and successor.enabled and network.peers and not successor.peers:
            problem = f"no peer is left: this would remove {_named([peer.name for peer in network.peers])}"
            yield Finding(f"network.{network.name}.peers", problem, "expected at least one")


def _named(names: Sequence[str]) -> str:
    """Name the first of them, and count the others."""
    others = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {others} more" if others > 0 else "")
