"""Which name servers are asked for the endpoints of a network, so that none is asked through that network itself.

The system's resolver is used where its servers are reached and chosen without the network. Where the network gives the
host its name servers, or takes the way to the host's own, Warren asks the host's own itself, with the network's mark:
that is what its encrypted packets carry, and its default route does not lead them back into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warren.tunnel.network import IPAddress, NetworkConfig


@dataclass(frozen=True, slots=True)
class UpstreamServers:
    """Name servers that are reached without a network, by packets with this mark; 0 is none."""

    servers: tuple[IPAddress, ...]
    mark: int = 0


def upstream_servers_of(network: NetworkConfig, host_servers: Sequence[IPAddress], mark: int) -> UpstreamServers | None:
    """Whom to ask for the network's endpoints; None for the system's resolver.

    `host_servers` are the host's own, without any that a network gave it, and `mark` is that of the network's
    interface. A server that lies within a prefix of the network, and not only behind its default route, is not asked:
    nothing leads there but the network.
    """
    prefixes = {prefix for peer in network.peers for prefix in peer.allowed_ips}
    if not network.dns and not any(server in prefix for server in host_servers for prefix in prefixes):
        return None
    narrower = [prefix for prefix in prefixes if prefix.prefixlen > 0]
    free = (server for server in host_servers if not any(server in prefix for prefix in narrower))
    return UpstreamServers(tuple(free), mark)
