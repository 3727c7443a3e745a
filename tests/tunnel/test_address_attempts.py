"""Several addresses of one endpoint: the next is tried after silence, and an address that answers is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.address_attempts import AddressAttempts
from warren.tunnel.config import Endpoint
from warren.tunnel.network import NetworkPeer
from warren.tunnel.resolution import Resolution
from warren.tunnel.status import PeerStatus

from .faraway import Faraway
from .strategies import PUBLIC_KEYS

pytestmark = pytest.mark.unit

WALL = 1_700_000_000.0
KEY = PUBLIC_KEYS[0]
NAME = Endpoint("vpn.example.org", 51820)
DEAD = tuple(Endpoint(f"2001:db8::{number}", 51820) for number in range(1, 5))
LIVING = Endpoint("192.0.2.2", 51820)
INTERVAL = 5  # seconds between two rounds of the agent, if nothing asks for an earlier one


@dataclass
class Simulation:
    """An agent that observes when it has to, and a peer that lives at one address."""

    addresses: tuple[Endpoint, ...]
    peer: Faraway = field(default_factory=lambda: Faraway(KEY))
    lives_at: Endpoint = LIVING
    now: float = 0.0
    observed_at: float = -INTERVAL
    visited: list[Endpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        peer = NetworkPeer("gateway", KEY, endpoint=NAME, allowed_ips=(ip_network("10.42.0.0/16"),))
        self.resolution = Resolution([peer])

    def run(self, seconds: int, *, data: bool = False) -> None:
        for _ in range(seconds):
            self.now += 1
            reached = self.peer.endpoint == self.lives_at
            self.peer.second(self.now, WALL + self.now, reached=reached, data=data)
            deadline = self.resolution.next_deadline()
            if self.now - self.observed_at >= INTERVAL or (deadline is not None and deadline <= self.now):
                self.round()

    def round(self) -> None:
        self.observed_at = self.now
        self.resolution.observe([self.peer.status()], self.now, WALL + self.now)
        for question in self.resolution.take_questions(self.now, 0.0):
            self.resolution.answered(question, self.addresses, self.now)
        for endpoint in self.resolution.endpoints().values():
            self.peer.endpoint = endpoint
            if endpoint not in self.visited[-1:]:
                self.visited.append(endpoint)

    @property
    def is_up(self) -> bool:
        return self.peer.session_at is not None and self.now - self.peer.session_at < 180


@pytest.mark.parametrize("keepalive", [0, 25])
@pytest.mark.parametrize("dead", [0, 1, 3])
def test_peer_is_reached_behind_dead_addresses(dead: int, keepalive: int) -> None:
    """Each of them costs one initiation, which an engine sends each 5 s."""
    simulation = Simulation((*DEAD[:dead], LIVING), Faraway(KEY, keepalive=keepalive))
    simulation.run(30 if keepalive else 1, data=not keepalive)
    simulation.run(10 + 6 * dead, data=not keepalive)
    assert simulation.is_up
    assert simulation.visited == [*DEAD[:dead], LIVING]
    simulation.run(300, data=True)
    assert simulation.visited == [*DEAD[:dead], LIVING]
    assert simulation.resolution.tried() == {}


def test_addresses_without_an_answer_are_named_until_the_peer_answers() -> None:
    simulation = Simulation((*DEAD[:2], LIVING), lives_at=NAME)
    simulation.run(60, data=True)
    assert simulation.resolution.tried() == {KEY: (*DEAD[:2], LIVING)}
    simulation.lives_at = LIVING
    simulation.run(180, data=True)
    assert simulation.is_up
    assert simulation.resolution.tried() == {}


def test_address_that_falls_silent_gives_way_to_the_next() -> None:
    simulation = Simulation((DEAD[0], LIVING), lives_at=DEAD[0])
    simulation.run(30, data=True)
    assert simulation.is_up
    simulation.lives_at = LIVING
    simulation.peer.session_at = None
    simulation.run(40, data=True)
    assert simulation.is_up
    assert simulation.visited == [DEAD[0], LIVING]


def test_single_address_is_neither_left_nor_named() -> None:
    simulation = Simulation((LIVING,), lives_at=NAME)
    simulation.run(200, data=True)
    assert simulation.visited == [LIVING]
    assert simulation.resolution.tried() == {}


def test_nothing_is_tried_while_nothing_is_sent() -> None:
    simulation = Simulation((DEAD[0], LIVING), Faraway(KEY, keepalive=0))
    simulation.run(300)
    assert simulation.visited == [DEAD[0]]


def test_address_to_which_every_send_fails_gives_way_too() -> None:
    attempts = AddressAttempts()
    attempts.offer((DEAD[0], LIVING), None, 0)
    for now in range(12):
        attempts.observe(PeerStatus(KEY, endpoint=DEAD[0], persistent_keepalive_seconds=25), now)
    assert attempts.address == LIVING


def test_datagrams_to_the_silent_address_do_not_count_at_the_next() -> None:
    attempts = AddressAttempts()
    attempts.offer((DEAD[0], LIVING), None, 0)
    attempts.observe(PeerStatus(KEY, endpoint=DEAD[0], tx_bytes=148), 1)
    attempts.offer((DEAD[0], LIVING), DEAD[0], 1)
    for now in range(2, 10):
        attempts.observe(PeerStatus(KEY, endpoint=LIVING, tx_bytes=148), now)
    assert attempts.address == LIVING


def test_rounds_are_held_longer_and_longer() -> None:
    simulation = Simulation((DEAD[0], LIVING), lives_at=NAME)
    simulation.run(60, data=True)
    first = len(simulation.visited)
    simulation.run(600, data=True)
    assert len(simulation.visited) - first <= 600 / 60 + 4


@given(
    addresses=st.lists(st.sampled_from([*DEAD, LIVING]), unique=True, min_size=1),
    silent=st.sampled_from([None, NAME, *DEAD, LIVING]),
    more=st.permutations([*DEAD, LIVING]),
)
def test_offer_never_chooses_the_silent_address_if_there_is_another(
    addresses: list[Endpoint], silent: Endpoint | None, more: list[Endpoint]
) -> None:
    attempts = AddressAttempts()
    attempts.offer(tuple(addresses), silent, 0)
    assert attempts.address in addresses
    assert attempts.address != silent or addresses == [silent]
    before = attempts.address
    attempts.offer(tuple(addresses), None, 1)
    assert silent not in addresses or attempts.address == before
    attempts.offer(tuple(more), None, 2)
    assert attempts.address in more
