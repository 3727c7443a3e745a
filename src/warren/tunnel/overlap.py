"""Conflicts and overlaps between networks, and between peers of one network.

The key of a finding begins with `network.NAME`; a finding about one network alone has the keys of NetworkConfig. A
prefix within a default route is not reported: a default route is for all packets without a better route.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from warren.config.parsers import IPAddress
from warren.errors import Finding
from warren.tunnel.backend_rule import backend_rule
from warren.tunnel.config import SYSTEM_TABLES, IPInterface, IPNetwork
from warren.tunnel.coverage import containing, taking_all
from warren.tunnel.netstack_settings import Listener, Protocol, listener_findings
from warren.tunnel.network import NetworkConfig, prefix_sets
from warren.tunnel.routes import TUNNEL_MARKS

Owner = TypeVar("Owner", bound=Hashable)
Claim = tuple[IPNetwork, Owner]
Place = tuple[str, str]
"""The name of a network and the key of an allowed IP in it."""


def covered(
    claims: Sequence[Claim[Owner]], group: Callable[[Owner], Hashable] | None = None
) -> Iterator[tuple[Claim[Owner], Claim[Owner]]]:
    """Yield each claim with every other that it contains or equals: (outer, inner), equals in the order given.

    With `group`, only the first claim of each group to a prefix is an outer one. Where many claim the same prefix, the
    number of pairs then grows with the number of claims, and not with its square.
    """
    stack: list[_Level[Owner]] = []
    # Prefixes nest or are disjoint, so in this order the prefixes that contain the next one form a stack.
    for number, claim in enumerate(sorted(claims, key=lambda claim: _begin(claim[0]))):
        begin = _begin(claim[0])
        while stack and not stack[-1].holds(begin):
            stack.pop()
        yield from ((outer, claim) for level in stack for outer in level.firsts.values())
        if not stack or stack[-1].begin != begin:
            stack.append(_Level(begin, int(claim[0].broadcast_address)))
        stack[-1].firsts.setdefault(number if group is None else group(claim[1]), claim)


def _begin(prefix: IPNetwork) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


@dataclass(slots=True)
class _Level(Generic[Owner]):
    """A prefix that may contain the next one, with the first claim of each group to it."""

    begin: tuple[int, int, int]
    end: int
    firsts: dict[Hashable, Claim[Owner]] = field(default_factory=dict)

    def holds(self, begin: tuple[int, int, int]) -> bool:
        return self.begin[0] == begin[0] and begin[1] <= self.end


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
    yield from listener_findings(_listeners(networks))
    for (outer, (owner, _)), (inner, (name, key)) in _pairs(networks):
        if outer == inner:
            problem = f"{inner} is already routed to network {owner}"
            yield Finding(f"network.{name}.{key}", problem, "expected each prefix in one network")


def _listeners(networks: Sequence[NetworkConfig]) -> Iterator[tuple[str, Protocol, Listener]]:
    for network in networks:
        for key, protocol, listener in network.listeners():
            yield f"network.{network.name}.{key}", protocol, listener


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
    networks = [network for network in networks if routes_on_host(network)]
    full = [network for network in networks if network.table == "auto" and _taking_all(network)]
    for network in networks if full else ():
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
    return bool(_taking_all(network) or _around_endpoints(network))


def _taking_all(network: NetworkConfig) -> frozenset[IPNetwork]:
    return taking_all(prefix for prefix, _, _ in _routed(network))


def _around_endpoints(network: NetworkConfig) -> dict[IPNetwork, IPAddress]:
    return containing(network.endpoint_addresses(), (prefix for prefix, _, _ in _routed(network)))


def _pairs(networks: Sequence[NetworkConfig]) -> Iterator[tuple[Claim[Place], Claim[Place]]]:
    """Yield the allowed IPs that two networks route in one table: for each two networks the first of each kind.

    A prefix of several networks is compared with the first of them.
    """
    seen: set[tuple[str, str, bool]] = set()
    tables = {network.name: network.table for network in networks if routes_on_host(network)}
    if len(tables) < 2:
        return
    claims = [claim for network in networks if network.name in tables for claim in _claims(network)]
    for outer, inner in covered(claims, group=lambda place: tables[place[0]]):
        owner, name = outer[1][0], inner[1][0]
        pair = (owner, name, outer[0] == inner[0])
        if owner == name or tables[owner] != tables[name] or pair in seen:
            continue
        if outer[0] == inner[0] or outer[0].prefixlen:
            seen.add(pair)
            yield outer, inner


def routes_on_host(network: NetworkConfig) -> bool:
    """Return True if the network may have routes on this host. Those of a netstack are its own."""
    return network.table != "off" and backend_rule(network).may_have_link


def _claims(network: NetworkConfig) -> Iterator[Claim[Place]]:
    return ((prefix, place) for prefix, place, _ in _routed(network))


def network_warnings(network: NetworkConfig) -> Iterator[Finding]:
    """Yield warnings about a network that can be brought up nevertheless (H-08, H-16)."""
    if not network.addresses:
        problem = f"is missing: {network.interface} gets no address"
        yield Finding("addresses", problem, "expected one, unless the host only routes packets")
    if not (rule := backend_rule(network)).candidates:
        reasons = "; ".join(f"{backend}: {reason}" for backend, reason in rule.excluded.items())
        yield Finding("backend", f"auto finds no backend: {reasons}", 'expected backend = "netstack"')
    yield from _peer_warnings(network)
    if routes_on_host(network):
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
    if len(network.peers) < 2:
        return
    sets = prefix_sets(network.peers)
    claims = [
        (prefix, (number, at))
        for number, peer in enumerate(network.peers)
        for at, prefix in enumerate(peer.allowed_ips)
    ]
    seen: set[tuple[int, int]] = set()
    for (outer, (owner, _)), (inner, (number, at)) in covered(claims, group=lambda place: sets[place[0]]):
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
    if not routes_on_host(network):
        return
    seen: set[int] = set()
    lans = _Lans(links)
    for prefix, (_, key), number in _routed(network):
        if number in seen or not prefix.prefixlen or (found := lans.first_overlap(prefix)) is None:
            continue
        seen.add(number)
        lan, link = found
        nearer = link if prefix.prefixlen < lan.prefixlen else f"network {network.name}"
        problem = f"{prefix} overlaps with {lan}, the network of {link}"
        yield Finding(key, problem, f"packets for both go to {nearer}")


class _Lans:
    """The networks of a host's links, found by their addresses."""

    def __init__(self, links: Mapping[str, Sequence[IPInterface]]) -> None:
        networks = ((address.network, link) for link, addresses in links.items() for address in addresses)
        lans = [(lan, link) for lan, link in networks if lan.prefixlen < lan.max_prefixlen]
        self._by_begin = {_begin(lan): (lan, link) for lan, link in reversed(lans)}
        self._begins = sorted(self._by_begin)
        self._lengths = {version: {length for of, _, length in self._begins if of == version} for version in (4, 6)}

    def first_overlap(self, prefix: IPNetwork) -> tuple[IPNetwork, str] | None:
        """Return a network that contains the prefix or lies within it, with its link, or None."""
        version, begin, length = _begin(prefix)
        for shorter in self._lengths[version]:
            if shorter <= length:
                host_bits = prefix.max_prefixlen - shorter
                outer = self._by_begin.get((version, begin >> host_bits << host_bits, shorter))
                if outer is not None:
                    return outer
        at = bisect_left(self._begins, (version, begin, length))
        if at < len(self._begins):
            of, inner, _ = self._begins[at]
            if of == version and inner <= int(prefix.broadcast_address):
                return self._by_begin[self._begins[at]]
        return None


def _routed(network: NetworkConfig) -> Iterator[tuple[IPNetwork, Place, int]]:
    for number, peer in enumerate(network.peers):
        for position, prefix in enumerate(peer.allowed_ips):
            yield prefix, (network.name, f"peers[{number}].allowed_ips[{position}]"), number
