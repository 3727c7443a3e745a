"""How the name of a network's endpoint is resolved, so that no lookup goes through that network itself.

- The servers of resolv.conf(5) are asked if they are reached and chosen without the network.
- If the network sets the host's name servers, or routes the host's own, the host's own are asked with the network's
  mark, like the encrypted packets, so that the network's default route does not lead the question back into the tunnel.
- The search list and the options of resolv.conf(5), and hosts(5), count in either case.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from warren.config.parsers import IPAddress
from warren.tunnel.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class UpstreamServers:
    """Name servers that are reached without a network, by packets with this mark; 0 is none."""

    servers: tuple[IPAddress, ...]
    mark: int = 0


def upstream_servers_of(
    network: NetworkConfig, host_servers: Sequence[IPAddress], mark: int, inside: Container[IPAddress]
) -> UpstreamServers | None:
    """Return the name servers to ask for the network's endpoints; None for those of resolv.conf(5).

    `host_servers` are the host's own, without any that a network set, and `mark` is that of the network's interface.
    Those that are `inside`, as this host routes packets with that mark, are not asked: only the network leads there.
    """
    prefixes = {prefix for peer in network.peers for prefix in peer.allowed_ips}
    if not network.dns and not any(server in prefix for server in host_servers for prefix in prefixes):
        return None
    return UpstreamServers(tuple(server for server in host_servers if server not in inside), mark)
