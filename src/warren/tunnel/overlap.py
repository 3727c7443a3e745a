"""What networks, or peers of one network, would take from each other.

A finding's key begins with `network.NAME`; what is said of one network alone has the keys of NetworkConfig. What lies
within a default route is not worth a word: it is there for all that has no better place.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from warren.errors import Finding
from warren.tunnel.config import IPInterface, IPNetwork
from warren.tunnel.network import NetworkConfig

Owner = TypeVar("Owner", bound=Hashable)
Claim = tuple[IPNetwork, Owner]
Place = tuple[str, str]
"""The name of a network and the key of an allowed IP in it."""


def covered(claims: Sequence[Claim[Owner]]) -> Iterator[tuple[Claim[Owner], Claim[Owner]]]:
    """Each claim with every other that lies within it or is equal: (outer, inner), equals in the order given."""
    open_claims: list[Claim[Owner]] = []
    # Prefixes nest or are disjoint, so that in this order those that hold the next one are a stack.
    for claim in sorted(claims, key=lambda claim: _begin(claim[0])):
        while open_claims and not _holds(open_claims[-1][0], claim[0]):
            open_claims.pop()
        yield from ((outer, claim) for outer in open_claims)
        open_claims.append(claim)


def _begin(prefix: IPNetwork) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


def _holds(outer: IPNetwork, inner: IPNetwork) -> bool:
    # ipaddress's own subnet_of wants both of one family, and says so by an exception.
    return outer.version == inner.version and inner.network_address in outer and outer.prefixlen <= inner.prefixlen


def clash_findings(networks: Sequence[NetworkConfig]) -> Iterator[Finding]:
    """What keeps networks from being up together: one interface, one port, one prefix (H-11, H-16, X-16)."""
    interfaces: dict[str, str] = {}
    ports: dict[int, str] = {}
    for network in networks:
        if (owner := interfaces.setdefault(network.interface, network.name)) != network.name:
            problem = f"{network.interface} is the interface of network {owner} already"
            yield Finding(f"network.{network.name}.interface", problem, "expected an interface for each network")
        if network.listen_port and (owner := ports.setdefault(network.listen_port, network.name)) != network.name:
            problem = f"{network.listen_port} is the port of network {owner} already"
            yield Finding(f"network.{network.name}.listen_port", problem, "expected a port for each network, or none")
    for (outer, (owner, _)), (inner, (name, key)) in _pairs(networks):
        if outer == inner:
            problem = f"{inner} is routed to network {owner} already"
            yield Finding(f"network.{name}.{key}", problem, "expected each prefix in one network")


def overlap_warnings(networks: Sequence[NetworkConfig]) -> Iterator[Finding]:
    """Prefixes of one network that lie within another's: the longer one wins, which may not be what is meant (H-16)."""
    for (outer, (owner, _)), (inner, (name, key)) in _pairs(networks):
        if outer != inner:
            problem = f"{inner} lies within {outer} of network {owner}"
            yield Finding(f"network.{name}.{key}", problem, f"what is in both goes to network {name}")


def _pairs(networks: Sequence[NetworkConfig]) -> Iterator[tuple[Claim[Place], Claim[Place]]]:
    """Allowed IPs that two networks would route in the same table: of each two networks the first of each kind."""
    said: set[tuple[str, str, bool]] = set()
    tables = {network.name: network.table for network in networks if network.table != "off"}
    claims = [claim for network in networks if network.name in tables for claim in _claims(network)]
    for outer, inner in covered(claims):
        owner, name = outer[1][0], inner[1][0]
        pair = (owner, name, outer[0] == inner[0])
        if owner == name or tables[owner] != tables[name] or pair in said:
            continue
        if outer[0] == inner[0] or outer[0].prefixlen:
            said.add(pair)
            yield outer, inner


def _claims(network: NetworkConfig) -> Iterator[Claim[Place]]:
    return ((prefix, place) for prefix, place, _ in _routed(network))


def network_warnings(network: NetworkConfig) -> Iterator[Finding]:
    """What a person should know of a network that can be brought up all the same (H-08, H-16)."""
    if not network.addresses:
        problem = f"is missing: {network.interface} comes up without an address"
        yield Finding("addresses", problem, "expected one, unless packets are only routed through")
    yield from _peer_warnings(network)


def _peer_warnings(network: NetworkConfig) -> Iterator[Finding]:
    """Prefixes of one peer that lie within another's: of each two peers the first."""
    sets = [frozenset(peer.allowed_ips) for peer in network.peers]
    claims = [
        (prefix, (number, at))
        for number, peer in enumerate(network.peers)
        for at, prefix in enumerate(peer.allowed_ips)
    ]
    said: set[tuple[int, int]] = set()
    for (outer, (owner, _)), (inner, (number, at)) in covered(claims):
        if outer.prefixlen and sets[owner] != sets[number] and (owner, number) not in said:
            said.add((owner, number))
            first, second = network.peers[owner].name, network.peers[number].name
            problem = f"{inner} lies within {outer} of peer {first}"
            yield Finding(f"peers[{number}].allowed_ips[{at}]", problem, f"what is in both goes to {second}")


def lan_warnings(network: NetworkConfig, links: Mapping[str, Sequence[IPInterface]]) -> Iterator[Finding]:
    """Prefixes that overlap with a network that this host is on by another link (H-16): of each peer the first.

    `links` are those others with their addresses. A default route is none of these: it takes what nothing else has.
    """
    if network.table == "off":
        return
    said: set[int] = set()
    there = [(link, address.network) for link, addresses in links.items() for address in addresses]
    for prefix, (_, key), number in _routed(network):
        for link, lan in there:
            if number not in said and prefix.prefixlen and _overlap(prefix, lan):
                said.add(number)
                nearer = link if prefix.prefixlen < lan.prefixlen else f"network {network.name}"
                problem = f"{prefix} overlaps with {lan}, which this host is on by {link}"
                yield Finding(key, problem, f"what is in both goes to {nearer}")


def _routed(network: NetworkConfig) -> Iterator[tuple[IPNetwork, Place, int]]:
    for number, peer in enumerate(network.peers):
        for position, prefix in enumerate(peer.allowed_ips):
            yield prefix, (network.name, f"peers[{number}].allowed_ips[{position}]"), number


def _overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return other.prefixlen < other.max_prefixlen and (_holds(one, other) or _holds(other, one))
