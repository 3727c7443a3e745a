"""A host in memory: carries out the steps of a plan as an engine and a kernel do.

It is a model of Linux in what the kernel couples (net/ipv4/devinet.c, net/ipv4/fib_frontend.c, net/ipv6/addrconf.c):

- An address brings a connected route while the link is up, and takes it along when it is the last of its network.
- With the last IPv4 address go all IPv4 routes of the link; an unreachable route has no link.
- With the primary address of a network go its other addresses, unless the link promotes them.
- A link that goes down loses its routes and its IPv6 addresses; one with an MTU below 1280 has no IPv6.

`tests/tunnel/io/test_kernel_coupling.py` holds the model against a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TypeVar, assert_never

from warren._core import PresharedKey
from warren.tunnel.config import IPInterface, IPNetwork
from warren.tunnel.nft_guard import Guard
from warren.tunnel.plan import (
    NO_ADDRESS,
    AddAddress,
    AddConnectedRoute,
    AddFallback,
    AddRoute,
    AddRule,
    CreateInterface,
    InterfaceChange,
    PeerChange,
    PromoteSecondaries,
    RemoveAddress,
    RemoveFallback,
    RemoveGuard,
    RemoveInterface,
    RemoveRoute,
    RemoveRule,
    SetGuard,
    SetMtu,
    SetRouteMtu,
    SetUp,
    Step,
)
from warren.tunnel.routes import FORMER_MARK, MAIN_TABLE, Fallback, Route, Rule, has_connected_route
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus

FRESH_MTU = 1500
MIN_IPV6_MTU = 1280
T = TypeVar("T")


@dataclass
class SimulatedHost:
    """At most one interface. A step that a real host would refuse fails an assertion."""

    interface: InterfaceStatus | None = None
    connected: set[IPNetwork] = field(default_factory=set)
    """The connected routes of the link."""

    def __post_init__(self) -> None:
        if self.interface is not None and self.interface.link is not None:
            link = self.interface.link
            self.connected = {route.destination for route in link.all_routes.difference(link.routes)}
            self._link()

    @property
    def present(self) -> InterfaceStatus:
        assert self.interface is not None, "no interface"
        return self.interface

    @property
    def link(self) -> LinkStatus:
        return self.present.link or LinkStatus(up=False, mtu=FRESH_MTU)

    def run(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            self.step(step)

    def step(self, step: Step) -> None:
        match step:
            case CreateInterface(name):
                assert self.interface is None
                self.interface = InterfaceStatus(name, link=LinkStatus(up=False, mtu=FRESH_MTU))
            case RemoveInterface(name):
                assert self.present.name == name
                assert not self.present.rules, "rules do not go with a link"
                assert not self.present.guards, "nor do guards"
                self.interface = None
            case InterfaceChange():
                self.interface = changed(self.present, step)
                rules = (rule for rule in self.interface.rules if rule.priority != FORMER_MARK)
                owned = all(rule.fwmark == self.interface.fwmark for rule in rules)
                assert step.fwmark is None or owned, "a rule is known by its interface's mark"
            case AddRule() | RemoveRule():
                self._rule(step)
            case AddFallback(fallback):
                assert fallback not in self.present.fallbacks
                assert any(is_before(fallback, route) for route in self.link.routes), "another would sweep it away"
                self.interface = replace(self.present, fallbacks=(*self.present.fallbacks, fallback))
            case RemoveFallback(fallback):
                leading = (
                    rule for rule in self.present.rules if leads_to(rule, Route(fallback.destination, fallback.table))
                )
                still = {route.destination for route in self.link.routes if route.table == fallback.table}
                assert not any(leading) or fallback.destination in still, "until then it holds the traffic back"
                self.interface = replace(self.present, fallbacks=_without(self.present.fallbacks, fallback))
            case SetGuard(guard):
                assert self.present.guards is not None, "the kernel has none"
                assert any(is_before(guard, route) for route in self.link.routes), "another would sweep it away"
                self._guards(guard.version, guard)
            case RemoveGuard(link, version):
                assert link == self.present.name
                self._guards(version)
            case _:
                self._to_link(step)

    def _to_link(
        self,
        step: SetMtu
        | SetUp
        | PromoteSecondaries
        | AddAddress
        | RemoveAddress
        | AddRoute
        | SetRouteMtu
        | AddConnectedRoute
        | RemoveRoute,
    ) -> None:
        match step:
            case SetMtu(mtu):
                self.set_mtu(mtu)
            case SetUp():
                self.set_up()
            case PromoteSecondaries():
                self._link(promotes_secondaries=True)
            case AddAddress(address):
                self.add_address(address)
                self._link(own_addresses=self.link.own_addresses | {address})
            case RemoveAddress(address):
                assert address in self.link.own_addresses, "it belongs to another program"
                self.remove_address(address)
            case AddConnectedRoute(address):
                assert address in self.link.addresses, "the kernel refuses it as a source"
                assert address.network not in self.link.destinations, f"{address.network} has a route"
                self.connected.add(address.network)
                self._link()
            case AddRoute(route):
                assert route not in self.link.routes
                assert self.link.up, "the kernel takes no route over a link that is down"
                assert route not in self.link.all_routes, "the kernel has one"
                self._link(routes=(*self.link.routes, route))
            case SetRouteMtu(route):
                assert route in self.link.routes, "the kernel has none"
                self._link(routes=tuple(route if route == other else other for other in self.link.routes))
            case RemoveRoute(route):
                served = [rule for rule in self.present.rules if leads_to(rule, route)]
                self._link(routes=_without(self.link.routes, route))
                assert all(any(leads_to(rule, other) for other in self.link.routes) for rule in served)
            case _:
                assert_never(step)

    def add_address(self, address: IPInterface) -> None:
        """Add an address as `ip address add` does."""
        assert address not in self.link.addresses
        is_primary = address.version == 6 or all(other.network != address.network for other in self.link.addresses)
        self._link(addresses=(*self.link.addresses, address))
        if is_primary:
            self._connect(address)

    def remove_address(self, address: IPInterface) -> None:
        """Remove an address as `ip address delete` does, with all that it takes along."""
        same = [other for other in self.link.addresses if other.version == 4 and other.network == address.network]
        is_primary = bool(same) and same[0] == address
        gone = {address, *(same if is_primary and not self.link.promotes_secondaries else ())}
        self._drop_addresses(gone)

    def set_mtu(self, mtu: int) -> None:
        """Set the MTU as `ip link set mtu` does."""
        self._link(mtu=mtu)
        if mtu < MIN_IPV6_MTU:
            self._drop_version(6)

    def set_up(self) -> None:
        """Set the link up as `ip link set up` does."""
        self._link(up=True)
        self._connect(*self.link.addresses)

    def set_down(self) -> None:
        """Set the link down as `ip link set down` does."""
        self._drop_version(6)
        self.connected.clear()
        self._link(up=False, routes=())

    def flush_main(self, version: int) -> None:
        """Delete the routes of the main table as `ip route flush table main dev` does."""
        self.connected = {network for network in self.connected if network.version != version}
        kept = (
            route for route in self.link.routes if (route.table, route.destination.version) != (MAIN_TABLE, version)
        )
        self._link(routes=tuple(kept))

    def flush_addresses(self, version: int) -> None:
        """Delete the addresses as `ip address flush dev` does."""
        for address in self.link.addresses:
            if address.version == version and address in self.link.addresses:
                self.remove_address(address)

    def stop_promotion(self) -> None:
        """Set promote_secondaries of the link to 0."""
        self._link(promotes_secondaries=False)

    def flush_routes(self) -> None:
        """Delete all routes of the link in every table."""
        self.connected.clear()
        self._link(routes=())

    def _connect(self, *addresses: IPInterface) -> None:
        if self.link.up:
            self.connected |= {address.network for address in addresses if has_connected_route(address)}
        self._link()

    def _drop_version(self, version: int) -> None:
        self._drop_addresses({address for address in self.link.addresses if address.version == version})
        self.connected = {network for network in self.connected if network.version != version}
        self._link(routes=tuple(route for route in self.link.routes if route.destination.version != version))

    def _drop_addresses(self, gone: set[IPInterface]) -> None:
        left = tuple(address for address in self.link.addresses if address not in gone)
        self.connected -= {address.network for address in gone} - {address.network for address in left}
        self._link(addresses=left, own_addresses=self.link.own_addresses - gone)
        if any(address.version == 4 for address in gone) and all(address.version == 6 for address in left):
            self.connected = {network for network in self.connected if network.version == 6}
            self._link(routes=tuple(route for route in self.link.routes if route.destination.version == 6))

    def _rule(self, step: AddRule | RemoveRule) -> None:
        match step:
            case AddRule(rule):
                assert rule not in self.present.rules
                has_route = any(leads_to(rule, route) for route in self.link.routes)
                assert has_route or rule.priority == FORMER_MARK, "another would sweep it away"
                self.interface = replace(self.present, rules=(*self.present.rules, rule))
            case RemoveRule(rule):
                self.interface = replace(self.present, rules=_without(self.present.rules, rule))
            case _:
                assert_never(step)

    def takes(self, destination: str, mark: int) -> str:
        """Return what the rules do with a packet that only a default route of the main table fits.

        It is "tunnel", "refused" or "clear".
        """
        address = ip_address(destination)
        rules = (rule for rule in self.present.rules if rule.version == address.version)
        for rule in sorted(rules, key=lambda rule: rule.priority):
            if ((rule.fwmark ^ mark) & rule.fwmask == 0) == rule.invert:
                continue
            if rule.table == MAIN_TABLE:
                if rule.suppress_prefix_length is None:
                    return "clear"
                continue
            routes = [route.destination for route in self.link.routes if route.table == rule.table]
            refused = [other.destination for other in self.present.fallbacks if other.table == rule.table]
            fitting = [prefix for prefix in (*routes, *refused) if address in prefix]
            longest = max(fitting, key=lambda prefix: prefix.prefixlen, default=None)
            if longest is not None and longest not in routes:
                return "refused"  # an unreachable route is never suppressed
            if longest is not None and longest.prefixlen > (-1 if (at := rule.suppress_prefix_length) is None else at):
                return "tunnel"
        return "clear"

    def _guards(self, version: int, *wanted: Guard) -> None:
        others = (guard for guard in self.present.guards or () if guard.version != version)
        self.interface = replace(self.present, guards=(*others, *wanted))

    def _link(self, **values: object) -> None:
        link = replace(self.link, **values)  # type: ignore[arg-type]
        all_routes = frozenset((*link.routes, *map(Route, self.connected)))
        self.interface = replace(self.present, link=replace(link, all_routes=all_routes))


def leads_to(rule: Rule, route: Route) -> bool:
    """Whether it is for that route that the rule is there."""
    destination = route.destination
    place = (destination.prefixlen, destination.version, route.table)
    return place == (prefix_length(rule), rule.version, rule.fwmark)


def prefix_length(rule: Rule) -> int:
    """Return the length of the prefixes that the rule is there for."""
    length = 0 if rule.suppress_prefix_length is None else rule.suppress_prefix_length
    return length if rule.table == MAIN_TABLE or rule.suppress_prefix_length is None else length + 1


def is_before(guard: Guard | Fallback, route: Route) -> bool:
    """Whether it is for that route that the guard or the fallback is there."""
    match guard:
        case Guard(_, version, fwmark):
            return (route.table, route.destination.version) == (fwmark, version)
        case Fallback(destination, table):
            return (route.table, route.destination) == (table, destination)


def _without(values: tuple[T, ...], value: T) -> tuple[T, ...]:
    assert value in values
    return tuple(other for other in values if other != value)


def changed(interface: InterfaceStatus, change: InterfaceChange) -> InterfaceStatus:
    """What an engine does with one `set` of the UAPI."""
    peers = {peer.public_key: peer for peer in interface.peers}
    for peer_change in change.peers:
        if peer_change.remove:
            peers.pop(peer_change.public_key, None)
            continue
        if peer_change.allowed_ips is not None:  # a prefix belongs to one peer: the last that asked
            taken = set(peer_change.allowed_ips)
            peers = {
                key: replace(peer, allowed_ips=tuple(prefix for prefix in peer.allowed_ips if prefix not in taken))
                for key, peer in peers.items()
            }
        before = peers.get(peer_change.public_key, PeerStatus(peer_change.public_key))
        peers[peer_change.public_key] = _peer_changed(before, peer_change)
    return replace(
        interface,
        public_key=interface.public_key if change.private_key is None else change.private_key.public_key(),
        listen_port=interface.listen_port if change.listen_port is None else change.listen_port,
        fwmark=interface.fwmark if change.fwmark is None else change.fwmark,
        probe_sources=interface.probe_sources if change.probe_sources is None else change.probe_sources,
        peers=tuple(peers.values()),
    )


def _peer_changed(peer: PeerStatus, change: PeerChange) -> PeerStatus:
    if change.preshared_key is not None:
        taken_away = change.preshared_key == PresharedKey.none()
        peer = replace(peer, preshared_key=None if taken_away else change.preshared_key)
    if change.endpoint is not None:
        peer = replace(peer, endpoint=change.endpoint)
    if change.allowed_ips is not None:
        peer = replace(peer, allowed_ips=change.allowed_ips)
    if change.persistent_keepalive_seconds is not None:
        peer = replace(peer, persistent_keepalive_seconds=change.persistent_keepalive_seconds)
    if change.probe_address is not None:
        taken_away = change.probe_address == NO_ADDRESS
        peer = replace(peer, probe_address=None if taken_away else change.probe_address)
    return peer
