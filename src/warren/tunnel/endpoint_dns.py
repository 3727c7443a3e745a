"""How the name of a network's endpoint is resolved, so that no lookup goes through that network itself.

- The system's resolver is used if its name servers are reached and chosen without the network.
- If the network sets the host's name servers, or routes the host's own, Warren asks the host's own itself. It does so
  with the network's mark, like the encrypted packets, so that the network's default route does not lead the question
  back into the tunnel.
- hosts(5) comes first, as it does for the system's resolver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from warren.config.parsers import IPAddress
from warren.tunnel.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class UpstreamServers:
    """Name servers that are reached without a network, by packets with this mark; 0 is none."""

    servers: tuple[IPAddress, ...]
    mark: int = 0


def upstream_servers_of(network: NetworkConfig, host_servers: Sequence[IPAddress], mark: int) -> UpstreamServers | None:
    """Return the name servers to ask for the network's endpoints; None for the system's resolver.

    `host_servers` are the host's own, without any that a network set, and `mark` is that of the network's interface. A
    server within a prefix of the network, other than its default route, is not asked: only the network leads there.
    """
    prefixes = {prefix for peer in network.peers for prefix in peer.allowed_ips}
    if not network.dns and not any(server in prefix for server in host_servers for prefix in prefixes):
        return None
    narrower = [prefix for prefix in prefixes if prefix.prefixlen > 0]
    reachable = (server for server in host_servers if not any(server in prefix for prefix in narrower))
    return UpstreamServers(tuple(reachable), mark)


def hosts_addresses(text: str, name: str) -> tuple[IPAddress, ...]:
    """Return the addresses of a name in a file of hosts(5), in its order; like the system, skip invalid lines."""
    wanted = name.removesuffix(".").lower()
    addresses: list[IPAddress] = []
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if wanted in (alias.lower() for alias in names):
            try:
                addresses.append(ip_address(address))
            except ValueError:
                continue
    return tuple(addresses)
