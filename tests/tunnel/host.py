"""A host in memory: carries out the steps of a plan as an engine and a kernel do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from warren._core import PresharedKey
from warren.tunnel.plan import (
    AddAddress,
    AddRoute,
    CreateInterface,
    InterfaceChange,
    PeerChange,
    RemoveAddress,
    RemoveInterface,
    RemoveRoute,
    SetMtu,
    SetUp,
    Step,
)
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus

FRESH_MTU = 1500


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
                self.interface = None
            case InterfaceChange():
                self.interface = changed(self.present, step)
            case SetMtu(mtu):
                self._link(mtu=mtu)
            case SetUp():
                self._link(up=True)
            case AddAddress(address):
                assert address not in self.link.addresses
                self._link(addresses=(*self.link.addresses, address))
            case RemoveAddress(address):
                self._link(addresses=_without(self.link.addresses, address))
            case AddRoute(route):
                assert route not in self.link.routes
                assert self.link.up, "the kernel takes no route over a link that is down"
                self._link(routes=(*self.link.routes, route))
            case RemoveRoute(route):
                self._link(routes=_without(self.link.routes, route))
            case _:
                assert_never(step)

    def _link(self, **values: object) -> None:
        self.interface = replace(self.present, link=replace(self.link, **values))  # type: ignore[arg-type]


def _without(values: tuple[object, ...], value: object) -> tuple[object, ...]:
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
