"""Conflicts and overlaps between networks, and between peers of one network.

The key of a finding begins with `network.NAME`; a finding about one network alone has the keys of NetworkConfig. A
prefix within a default route is not reported: a default route is for all packets without a better route.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from warren.config.parsers import IPAddress
from warren.errors import Finding
from warren.tunnel.config import SYSTEM_TABLES, IPInterface, IPNetwork
from warren.tunnel.coverage import containing
from warren.tunnel.network import NetworkConfig
from warren.tunnel.routes import TUNNEL_MARKS

Owner = TypeVar("Owner", bound=Hashable)
Claim = tuple[IPNetwork, Owner]
Place = tuple[str, str]
"""The name of a network and the key of an allowed IP in it."""


def covered(claims: Sequence[Claim[Owner]]) -> Iterator[tuple[Claim[Owner], Claim[Owner]]]:
    """Yield each claim with every other that it contains or equals: (outer, inner), equals in the order given."""
    open_claims: list[Claim[Owner]] = []
    # Prefixes nest or are disjoint, so in this order the prefixes that contain the next one form a stack.
    for claim in sorted(claims, key=lambda claim: _begin(claim[0])):
        while open_claims and not _holds(open_claims[-1][0], claim[0]):
            open_claims.pop()
        yield from ((outer, claim) for outer in open_claims)
        open_claims.append(claim)


def _begin(prefix: IPNetwork) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


def _holds(outer: IPNetwork, inner: IPNetwork) -> bool:
    # subnet_of() of ipaddress raises an exception for different versions.
    return outer.version == inner.version and inner.network_address in outer and outer.prefixlen <= inner.prefixlen


def clash_findings(networks: Sequence[NetworkConfig]) -> Iterator[Finding]:
    """Yield what keeps networks from being up together: a shared interface, port or prefix (H-11, H-16, X-16)."""
    interfaces: dict[str, str] = {}
    ports: dict[int, str] = {}
    for network in networks:
        if (owner := interfaces.setdefault(network.interface, network.name)) != network.name:
            problem = f"{network.interface} is already the interface of network {owner}"
            yield Finding(f"network.{network.name}.interface", problem, "expected an interface for each network")
        if network.listen_port and (owner := ports.setdefault(network.listen_port, network.name)) != network.name:
            problem = f"{network.listen_port} is already the port of network {owner}"
            yield Finding(f"network.{network.name}.listen_port", problem, "expected a port for each network, or none")
    for (outer, (owner, _)), (inner, (name, key)) in _pairs(networks):
        if outer == inner:
            problem = f"{inner} is already routed to network {owner}"
            yield Finding(f"network.{name}.{key}", problem, "expected each prefix in one network")


def overlap_warnings(networks: Sequence[NetworkConfig]) -> Iterator[Finding]:
    """Yield the prefixes of one network that lie within another's; the longer one wins, perhaps by mistake (H-16)."""
    for (outer, (owner, _)), (inner, (name, key)) in _pairs(networks):
        if outer != inner:
            problem = f"{inner} lies within {outer} of network {owner}"
            yield Finding(f"network.{name}.{key}", problem, f"packets for both go to network {name}")


def mark_warnings(networks: Sequence[NetworkConfig]) -> Iterator[Finding]:
    """Yield the marks with which the encrypted packets of one network would be routed into another network.

    Rules exempt the marks that are chosen automatically, and those next to them (routes.py).
    """
    expected = f"expected a mark from {TUNNEL_MARKS.start} to {TUNNEL_MARKS.stop - 1}"
    full = [network for network in networks if network.table == "auto" and any(_defaults(network))]
    for network in networks:
        key, has_policy = f"network.{network.name}.fwmark", network.table == "auto" and _needs_policy(network)
        for other in full:
            if other is network or network.fwmark in TUNNEL_MARKS:
                continue
            if network.fwmark and has_policy:
                problem = f"packets of this network would be routed into network {other.name} by its default route"
                yield Finding(key, problem, f"{expected}, or none")
                break
            between = containing(other.endpoint_addresses(), (prefix for prefix, _, _ in _routed(network)))
            if between and not has_policy and network.table != "off":
                endpoint = next(iter(between.values()))
                problem = (
                    f"this network and the default route of network {other.name}, to {endpoint}, lead into each other"
                )
                yield Finding(key, problem, expected)
                break


def _needs_policy(network: NetworkConfig) -> bool:
    return any(_defaults(network)) or bool(_around_endpoints(network))


def _defaults(network: NetworkConfig) -> Iterator[IPNetwork]:
    return (prefix for prefix, _, _ in _routed(network) if prefix.prefixlen == 0)


def _around_endpoints(network: NetworkConfig) -> dict[IPNetwork, IPAddress]:
    return containing(network.endpoint_addresses(), (prefix for prefix, _, _ in _routed(network)))


def _pairs(networks: Sequence[NetworkConfig]) -> Iterator[tuple[Claim[Place], Claim[Place]]]:
    """Yield the allowed IPs that two networks route in one table: for each two networks the first of each kind."""
    seen: set[tuple[str, str, bool]] = set()
    tables = {network.name: network.table for network in networks if network.table != "off"}
    claims = [claim for network in networks if network.name in tables for claim in _claims(network)]
    for outer, inner in covered(claims):
        owner, name = outer[1][0], inner[1][0]
        pair = (owner, name, outer[0] == inner[0])
        if owner == name or tables[owner] != tables[name] or pair in seen:
            continue
        if outer[0] == inner[0] or outer[0].prefixlen:
            seen.add(pair)
            yield outer, inner


def _claims(network: NetworkConfig) -> Iterator[Claim[Place]]:
    return ((prefix, place) for prefix, place, _ in _routed(network))


def network_warnings(network: NetworkConfig) -> Iterator[Finding]:
    """Yield warnings about a network that can be brought up nevertheless (H-08, H-16)."""
    if not network.addresses:
        problem = f"is missing: {network.interface} gets no address"
        yield Finding("addresses", problem, "expected one, unless the host only routes packets")
    yield from _peer_warnings(network)
    yield from _endpoint_warnings(network)


def _endpoint_warnings(network: NetworkConfig) -> Iterator[Finding]:
    """Yield the endpoints that would be routed into the tunnel: by an own address, or by a route in a system table.

    A narrower route of another link would still lead to them. With table "auto", routes of allowed IPs never do.
    """
    outer = network.endpoint_addresses()
    for number, address in enumerate(network.addresses):
        for endpoint in containing(outer, [address.network]).values():
            problem = f"the network of {address} contains the endpoint {endpoint}, which is then reached by the tunnel"
            yield Finding(f"addresses[{number}]", problem, "expected a longer prefix, without any endpoint")
    if network.table in SYSTEM_TABLES:
        for prefix, endpoint in _around_endpoints(network).items():
            problem = f"a route for {prefix} there leads to the endpoint {endpoint} by the tunnel itself"
            yield Finding("table", problem, "expected auto, or a table that your own policy rules use")


def _peer_warnings(network: NetworkConfig) -> Iterator[Finding]:
    """Yield prefixes of one peer that lie within another's: for each two peers the first."""
    sets = [frozenset(peer.allowed_ips) for peer in network.peers]
    claims = [
        (prefix, (number, at))
        for number, peer in enumerate(network.peers)
        for at, prefix in enumerate(peer.allowed_ips)
    ]
    seen: set[tuple[int, int]] = set()
    for (outer, (owner, _)), (inner, (number, at)) in covered(claims):
        if outer.prefixlen and sets[owner] != sets[number] and (owner, number) not in seen:
            seen.add((owner, number))
            first, second = network.peers[owner].name, network.peers[number].name
            problem = f"{inner} lies within {outer} of peer {first}"
            yield Finding(f"peers[{number}].allowed_ips[{at}]", problem, f"packets for both go to {second}")


def lan_warnings(network: NetworkConfig, links: Mapping[str, Sequence[IPInterface]]) -> Iterator[Finding]:
    """Yield the first prefix of each peer that overlaps with a network of another link of this host (H-16).

    `links` are the other links with their addresses. A default route is not reported, as it takes only what no other
    route takes.
    """
    if network.table == "off":
        return
    seen: set[int] = set()
    lans = [(link, address.network) for link, addresses in links.items() for address in addresses]
    for prefix, (_, key), number in _routed(network):
        for link, lan in lans:
            if number not in seen and prefix.prefixlen and _overlap(prefix, lan):
                seen.add(number)
                nearer = link if prefix.prefixlen < lan.prefixlen else f"network {network.name}"
                problem = f"{prefix} overlaps with {lan}, the network of {link}"
                yield Finding(key, problem, f"packets for both go to {nearer}")


def _routed(network: NetworkConfig) -> Iterator[tuple[IPNetwork, Place, int]]:
    for number, peer in enumerate(network.peers):
        for position, prefix in enumerate(peer.allowed_ips):
            yield prefix, (network.name, f"peers[{number}].allowed_ips[{position}]"), number


def _overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return other.prefixlen < other.max_prefixlen and (_holds(one, other) or _holds(other, one))
