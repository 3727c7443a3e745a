"""A host in memory: carries out the steps of a plan as an engine and a kernel do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar, assert_never

from warren._core import PresharedKey
from warren.tunnel.nft_guard import Guard
from warren.tunnel.plan import (
    AddAddress,
    AddRoute,
    AddRule,
    CreateInterface,
    InterfaceChange,
    PeerChange,
    RemoveAddress,
    RemoveGuard,
    RemoveInterface,
    RemoveRoute,
    RemoveRule,
    SetGuard,
    SetMtu,
    SetUp,
    Step,
)
from warren.tunnel.routes import MAIN_TABLE, Route, Rule
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus

FRESH_MTU = 1500
T = TypeVar("T")


@dataclass
class SimulatedHost:
    """At most one interface. A step that a real host would refuse fails an assertion."""

    interface: InterfaceStatus | None = None

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
                owned = all(rule.fwmark == self.interface.fwmark for rule in self.interface.rules)
                assert step.fwmark is None or owned, "a rule is known by its interface's mark"
            case AddRoute() | RemoveRoute() | AddRule() | RemoveRule():
                self._policy(step)
            case SetGuard(guard):
                assert self.present.guards is not None, "the kernel has none"
                assert any(is_before(guard, route) for route in self.link.routes), "another would sweep it away"
                self._guards(guard.version, guard)
            case RemoveGuard(link, version):
                assert link == self.present.name
                self._guards(version)
            case _:
                self._to_link(step)

    def _to_link(self, step: SetMtu | SetUp | AddAddress | RemoveAddress) -> None:
        match step:
            case SetMtu(mtu):
                self._link(mtu=mtu)
            case SetUp():
                self._link(up=True)
            case AddAddress(address):
                assert address not in self.link.addresses
                self._link(addresses=(*self.link.addresses, address))
            case RemoveAddress(address):
                self._link(addresses=_without(self.link.addresses, address))
            case _:
                assert_never(step)

    def _policy(self, step: AddRoute | RemoveRoute | AddRule | RemoveRule) -> None:
        match step:
            case AddRoute(route):
                assert route not in self.link.routes
                assert self.link.up, "the kernel takes no route over a link that is down"
                self._link(routes=(*self.link.routes, route))
            case RemoveRoute(route):
                served = [rule for rule in self.present.rules if leads_to(rule, route)]
                self._link(routes=_without(self.link.routes, route))
                assert all(any(leads_to(rule, other) for other in self.link.routes) for rule in served)
            case AddRule(rule):
                assert rule not in self.present.rules
                assert any(leads_to(rule, route) for route in self.link.routes), "another would sweep it away"
                self.interface = replace(self.present, rules=(*self.present.rules, rule))
            case RemoveRule(rule):
                self.interface = replace(self.present, rules=_without(self.present.rules, rule))
            case _:
                assert_never(step)

    def _guards(self, version: int, *wanted: Guard) -> None:
        others = (guard for guard in self.present.guards or () if guard.version != version)
        self.interface = replace(self.present, guards=(*others, *wanted))

    def _link(self, **values: object) -> None:
        self.interface = replace(self.present, link=replace(self.link, **values))  # type: ignore[arg-type]


def leads_to(rule: Rule, route: Route) -> bool:
    """Whether it is for that route that the rule is there."""
    destination = route.destination
    place = (destination.prefixlen, destination.version, route.table)
    return place == (prefix_length(rule), rule.version, rule.fwmark)


def prefix_length(rule: Rule) -> int:
    """Return the length of the prefixes that the rule is there for."""
    length = 0 if rule.suppress_prefix_length is None else rule.suppress_prefix_length
    return length if rule.table == MAIN_TABLE or rule.suppress_prefix_length is None else length + 1


def is_before(guard: Guard, route: Route) -> bool:
    """Whether it is for that route that the guard is there."""
    return (route.table, route.destination.version) == (guard.fwmark, guard.version)


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
    return peer
