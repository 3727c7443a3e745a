"""Endpoint names with several addresses at an interface without an agent."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from warren.tunnel.address_search import MAX_INTERVAL_SECONDS, AddressSearch, with_addresses
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.plan import InterfaceChange, PeerChange
from warren.tunnel.status import PeerStatus

from .faraway import Faraway
from .strategies import PRIVATE_KEYS, PUBLIC_KEYS

pytestmark = pytest.mark.unit

WALL = 1_700_000_000.0
KEY, OTHER = PUBLIC_KEYS[:2]
NAME = Endpoint("vpn.example.org", 51820)
DEAD, LIVING = Endpoint("2001:db8::1", 51820), Endpoint("192.0.2.2", 51820)


def config(endpoint: Endpoint | None = NAME, keepalive: int = 25) -> InterfaceConfig:
    peer = PeerConfig(KEY, endpoint=endpoint, persistent_keepalive_seconds=keepalive)
    return InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=(peer, PeerConfig(OTHER)))


@dataclass
class Simulation:
    """An interface that has the first address, and a peer that lives at one."""

    addresses: tuple[Endpoint, ...]
    keepalive: int = 25
    lives_at: Endpoint = LIVING
    now: float = 0.0
    visited: list[Endpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.search = AddressSearch(config(keepalive=self.keepalive), {NAME: self.addresses}, 0.0)
        self.peer = Faraway(KEY, keepalive=self.keepalive, endpoint=self.addresses[0])
        self.visited.append(self.addresses[0])
        self.look_at = 0.0

    def run(self, seconds: int, *, data: bool = False) -> None:
        for _ in range(seconds):
            self.peer.second(self.now, WALL + self.now, reached=self.peer.endpoint == self.lives_at, data=data)
            if self.now >= self.look_at:
                self.step()
            self.now += 1

    def step(self) -> None:
        if change := self.observe():
            (peer,) = change.peers
            assert peer == PeerChange(KEY, endpoint=peer.endpoint)
            assert peer.endpoint is not None
            assert peer.endpoint != self.peer.endpoint
            self.peer.endpoint = peer.endpoint
            self.visited.append(peer.endpoint)
            assert self.observe() is None
        wait_seconds = self.search.wait_seconds(self.now)
        assert 0 <= wait_seconds <= MAX_INTERVAL_SECONDS
        self.look_at = self.now + wait_seconds

    def observe(self) -> InterfaceChange | None:
        return self.search.observe([self.peer.status(), PeerStatus(OTHER)], self.now, WALL + self.now)


def test_search_reaches_the_living_address_and_stays_there() -> None:
    simulation = Simulation((DEAD, LIVING))
    assert not simulation.search.is_complete()
    simulation.run(12)
    assert simulation.search.is_complete()
    assert simulation.search.unanswered() == ()
    simulation.run(600, data=True)
    assert simulation.visited == [DEAD, LIVING]


def test_search_is_complete_once_every_address_was_tried() -> None:
    simulation = Simulation((DEAD, LIVING), lives_at=NAME)
    simulation.run(5)
    assert not simulation.search.is_complete()
    assert simulation.search.unanswered() == ((NAME, (DEAD,)),)
    simulation.run(8)
    assert simulation.search.is_complete()
    assert simulation.search.unanswered() == ((NAME, (DEAD, LIVING)),)


def test_search_goes_on_when_the_peer_falls_silent() -> None:
    simulation = Simulation((DEAD, LIVING), lives_at=DEAD)
    simulation.run(30, data=True)
    simulation.lives_at, simulation.peer.session_at = LIVING, None
    simulation.run(40, data=True)
    assert simulation.visited == [DEAD, LIVING]


def test_search_waits_for_traffic_without_keepalives() -> None:
    simulation = Simulation((DEAD, LIVING), keepalive=0)
    assert simulation.search.is_complete()
    simulation.run(100)
    assert simulation.visited == [DEAD]
    simulation.run(20, data=True)
    assert simulation.visited == [DEAD, LIVING]


def test_removed_peer_is_not_added_again() -> None:
    search = AddressSearch(config(), {NAME: (DEAD, LIVING)}, 0.0)
    assert search.observe([], 0.0, WALL) is None


@pytest.mark.parametrize("addresses", [{}, {NAME: (LIVING,)}])
def test_search_is_needed_only_for_several_addresses(addresses: dict[Endpoint, tuple[Endpoint, ...]]) -> None:
    assert not AddressSearch(config(), addresses, 0.0).is_needed
    assert AddressSearch(config(), {NAME: (DEAD, LIVING)}, 0.0).is_needed


@pytest.mark.parametrize(("present", "chosen"), [(None, DEAD), (LIVING, LIVING), (Endpoint("192.0.2.9", 1), DEAD)])
def test_peer_stays_at_the_address_where_it_is_if_its_name_has_it(present: Endpoint | None, chosen: Endpoint) -> None:
    peers = [PeerStatus(KEY, endpoint=present)]
    assert with_addresses(config(), {NAME: (DEAD, LIVING)}, peers) == config(chosen)


def test_endpoint_that_is_an_address_stays() -> None:
    assert with_addresses(config(LIVING), {}, [PeerStatus(KEY, endpoint=DEAD)]) == config(LIVING)
    assert with_addresses(config(None), {}) == config(None)
