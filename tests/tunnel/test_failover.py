"""Redundant peers: one owner at every moment, and the right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from warren._core import PublicKey
from warren.tunnel.config import Endpoint
from warren.tunnel.failover import Failover, Group, redundant_groups
from warren.tunnel.network import NetworkPeer
from warren.tunnel.status import PeerStatus

from .faraway import Faraway
from .strategies import PUBLIC_KEYS, networks

pytestmark = pytest.mark.unit

WALL = 1_700_000_000.0
FIRST, SECOND, THIRD = PUBLIC_KEYS[:3]
PREFIXES = frozenset([ip_network("10.42.0.0/16")])
HERE = Endpoint("192.0.2.1", 51820)


def network_peer(key: PublicKey, *prefixes: str) -> NetworkPeer:
    return NetworkPeer("gateway", key, allowed_ips=tuple(ip_network(prefix) for prefix in prefixes))


def test_peers_with_the_same_prefixes_are_a_group_in_their_order() -> None:
    peers = [
        network_peer(THIRD, "10.0.0.0/8", "fd00::/64"),
        network_peer(FIRST, "10.1.0.0/16"),
        network_peer(SECOND, "fd00::/64", "10.0.0.0/8"),
        network_peer(PUBLIC_KEYS[3]),
        network_peer(PUBLIC_KEYS[4]),
    ]
    (group,) = redundant_groups(peers)
    assert group.members == (THIRD, SECOND)
    assert group.allowed_ips == frozenset(peers[0].allowed_ips)


@given(prefixes=st.lists(st.lists(networks, max_size=2), min_size=5, max_size=5))
def test_no_peer_is_in_two_groups_or_alone_in_one(prefixes: list[list[object]]) -> None:
    peers = [
        NetworkPeer("gateway", key, allowed_ips=tuple(owned))  # type: ignore[arg-type]
        for key, owned in zip(PUBLIC_KEYS, prefixes, strict=True)
    ]
    groups = redundant_groups(peers)
    members = [key for group in groups for key in group.members]
    assert len(members) == len(set(members))
    assert all(len(group.members) > 1 and group.allowed_ips for group in groups)


@dataclass
class Gateways:
    """Redundant peers by hand: what each says of itself, and the machine that looks each second."""

    members: tuple[PublicKey, ...] = (FIRST, SECOND)
    now: float = 0.0
    statuses: dict[PublicKey, PeerStatus] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.failover = Failover([Group(PREFIXES, self.members)], self.now)

    @property
    def owner(self) -> PublicKey:
        (owner,) = self.failover.owners()
        return owner

    def says(self, key: PublicKey, *, sent: int = 0, received: int = 0, handshake: bool = False) -> None:
        """The peer's counters go on by that much."""
        before = self.statuses.get(key, PeerStatus(key, persistent_keepalive_seconds=25))
        self.statuses[key] = PeerStatus(
            key,
            persistent_keepalive_seconds=25,
            rx_bytes=before.rx_bytes + received + 92 * handshake,
            tx_bytes=before.tx_bytes + sent + 148 * handshake,
            latest_handshake=WALL + self.now if handshake else before.latest_handshake,
        )

    def shake_hands(self, *keys: PublicKey) -> None:
        for key in keys:
            self.says(key, handshake=True)

    def look(self, answered_at: Mapping[PublicKey, float] | None = None) -> PublicKey:
        self.failover.observe(list(self.statuses.values()), self.now, WALL + self.now, answered_at or {})
        return self.owner

    def at(self, now: float) -> PublicKey:
        self.now = now
        return self.look()


@pytest.fixture
def gateways() -> Gateways:
    """Two that have just shaken hands."""
    made = Gateways()
    made.shake_hands(FIRST, SECOND)
    made.look()
    return made


def test_the_first_of_the_file_is_the_owner(gateways: Gateways) -> None:
    assert gateways.owner == FIRST
    assert gateways.failover.standing_by() == {SECOND}


def test_a_silent_owner_hands_over_after_15_seconds(gateways: Gateways) -> None:
    gateways.says(FIRST, sent=128)
    assert gateways.at(1) == FIRST
    assert gateways.at(15.9) == FIRST
    assert gateways.failover.next_deadline() == 16
    assert gateways.at(16) == SECOND
    assert gateways.failover.standing_by() == {FIRST}


def test_keepalives_are_never_answered_and_are_no_silence(gateways: Gateways) -> None:
    for now in range(25, 176, 25):
        gateways.says(FIRST, sent=32)
        assert gateways.at(now) == FIRST


def test_it_comes_back_after_60_seconds_of_health(gateways: Gateways) -> None:
    gateways.says(FIRST, sent=128)
    gateways.at(1)
    assert gateways.at(16) == SECOND
    gateways.now = 30
    gateways.shake_hands(FIRST)
    assert gateways.look() == SECOND
    assert gateways.at(89.9) == SECOND
    assert gateways.failover.next_deadline() == 90
    assert gateways.at(90) == FIRST


def test_health_that_was_interrupted_counts_from_its_new_beginning(gateways: Gateways) -> None:
    gateways.says(FIRST, sent=128)
    gateways.at(1)
    gateways.at(16)
    gateways.now = 30
    gateways.shake_hands(FIRST)
    gateways.look()
    gateways.says(FIRST, sent=148)
    gateways.at(60)
    assert gateways.at(75) == SECOND  # silent again
    gateways.now = 80
    gateways.shake_hands(FIRST)
    gateways.look()
    assert gateways.at(139.9) == SECOND
    assert gateways.at(140) == FIRST


def test_where_nobody_is_healthy_it_stays(gateways: Gateways) -> None:
    gateways.says(FIRST, sent=128)
    gateways.says(SECOND, sent=148)
    gateways.at(1)
    assert gateways.at(16) == FIRST
    assert gateways.at(1000) == FIRST
    assert gateways.failover.next_deadline() is None
    gateways.shake_hands(SECOND)
    assert gateways.look() == SECOND


def test_the_next_one_is_the_first_that_is_healthy() -> None:
    gateways = Gateways((FIRST, SECOND, THIRD))
    gateways.shake_hands(FIRST, THIRD)
    gateways.look()
    gateways.says(FIRST, sent=128)
    gateways.at(1)
    assert gateways.at(16) == THIRD
    gateways.shake_hands(SECOND)
    gateways.look()
    gateways.says(THIRD, sent=128)
    gateways.at(20)
    assert gateways.at(35) == SECOND  # at once, though it has been healthy for 19 seconds only


def test_the_owner_has_15_seconds_for_its_first_handshake() -> None:
    gateways = Gateways()
    gateways.says(FIRST)
    gateways.shake_hands(SECOND)
    assert gateways.look() == FIRST
    assert gateways.at(14.9) == FIRST
    assert gateways.at(15) == SECOND


def test_an_ended_session_that_no_keepalive_brought_back() -> None:
    """As when its name no longer resolves, or nothing can be sent."""
    gateways = Gateways()
    gateways.shake_hands(FIRST)
    gateways.look()
    gateways.now = 170
    gateways.shake_hands(SECOND)
    assert gateways.look() == FIRST
    assert gateways.at(180 + 25 + 14.9) == FIRST
    assert gateways.at(180 + 25 + 15) == SECOND


def test_a_probe_that_stops_answering(gateways: Gateways) -> None:
    gateways.now = 10
    assert gateways.look({FIRST: 10}) == FIRST
    assert gateways.failover.next_deadline() == 25
    gateways.now = 24.9
    assert gateways.look({FIRST: 10}) == FIRST
    gateways.now = 25
    assert gateways.look({FIRST: 10}) == SECOND


def test_a_probe_that_never_answered_says_nothing(gateways: Gateways) -> None:
    for now in range(0, 170, 10):
        assert gateways.at(now) == FIRST


def test_a_peer_whose_probe_stays_silent_is_tried_less_and_less_often(gateways: Gateways) -> None:
    answered, tried = {FIRST: 0.0}, []
    for now in range(1, 2000):
        gateways.now = float(now)
        for key in (FIRST, SECOND):
            gateways.says(key, received=128, sent=128)
            if now % 120 == 0:
                gateways.shake_hands(key)
        before = gateways.owner
        if gateways.look(answered) == FIRST != before:
            tried.append(now)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses[:3] == [15 + 120, 15 + 240, 15 + 480]


@given(jump=st.floats(-(10**6), 10**6))
def test_a_wall_clock_that_is_set_moves_nothing(jump: float) -> None:
    gateways = Gateways()
    gateways.shake_hands(FIRST, SECOND)
    gateways.look()
    gateways.failover.observe(list(gateways.statuses.values()), 1.0, WALL + jump)
    assert gateways.owner == FIRST


def test_a_change_of_the_network_leaves_an_owner_that_stays(gateways: Gateways) -> None:
    gateways.says(FIRST, sent=128)
    gateways.at(1)
    gateways.at(16)
    gateways.failover.regroup([Group(PREFIXES, (FIRST, THIRD, SECOND))], 20)
    assert gateways.failover.owners() == (SECOND,)
    assert gateways.failover.standing_by() == {FIRST, THIRD}
    gateways.failover.regroup([Group(PREFIXES, (THIRD, FIRST))], 20)
    assert gateways.failover.owners() == (THIRD,)
    gateways.failover.regroup([], 20)
    assert gateways.failover.owners() == ()
    assert gateways.failover.next_deadline() is None


class Redundancy(RuleBasedStateMachine):
    """Three gateways that come and go, a host that sends or does not, a wall clock that is set."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.wall_offset = WALL
        self.traffic = True
        self.peers = [Faraway(key, endpoint=HERE) for key in (FIRST, SECOND, THIRD)]
        self.reached = [True] * 3
        self.changed_at = [-1000.0] * 3
        self.failover = Failover([Group(PREFIXES, (FIRST, SECOND, THIRD))], self.now)
        self.twin = Failover([Group(PREFIXES, (FIRST, SECOND, THIRD))], self.now)

    @rule(seconds=st.integers(1, 200))
    def time_goes_by(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second()

    @rule(number=st.integers(0, 2))
    def one_comes_or_goes(self, number: int) -> None:
        self.reached[number] = not self.reached[number]
        self.changed_at[number] = self.now

    @rule(traffic=st.booleans())
    def the_host_sends_or_not(self, traffic: bool) -> None:
        self.traffic = traffic

    @rule(seconds=st.integers(-(10**6), 10**6))
    def the_wall_clock_is_set(self, seconds: int) -> None:
        self.wall_offset += seconds + 0.001  # no two handshakes have the same time to the nanosecond

    @rule(number=st.integers(0, 2))
    def a_peer_is_made_anew(self, number: int) -> None:
        self.peers[number] = Faraway(self.peers[number].key, endpoint=HERE)
        self.changed_at[number] = self.now

    @precondition(lambda self: any(self.reached))
    @rule()
    def when_nothing_changes_the_first_that_is_there_has_it(self) -> None:
        for _ in range(400):
            self.second()
        assert self.owner == self.peers[self.reached.index(True)].key

    def second(self) -> None:
        self.now += 1
        wall = self.now + self.wall_offset
        before = self.owner
        for peer, reached in zip(self.peers, self.reached, strict=True):
            peer.second(self.now, wall, reached=reached, data=self.traffic and peer.key == before)
        statuses = [peer.status() for peer in self.peers]
        self.failover.observe(statuses, self.now, wall)
        if self.owner != before:
            self.check_move(before)
        # Who looks again before the deadline, with nothing new, decides the same.
        deadline = self.failover.next_deadline()
        assert deadline is None or deadline > self.now
        again = min(self.now + 0.9, self.now + 0.9 if deadline is None else (self.now + deadline) / 2)
        self.twin.observe(statuses, self.now, wall)
        self.twin.observe(statuses, again, wall + again - self.now)
        assert self.twin.owners() == self.failover.owners()

    def check_move(self, before: PublicKey) -> None:
        keys = [peer.key for peer in self.peers]
        left, taken = keys.index(before), keys.index(self.owner)
        was_fine = self.reached[left] and self.now - self.changed_at[left] > 60
        assert taken < left or not was_fine

    @property
    def owner(self) -> PublicKey:
        (owner,) = self.failover.owners()
        return owner

    @invariant()
    def one_has_the_prefixes_and_the_others_have_none(self) -> None:
        everyone = {peer.key for peer in self.peers}
        assert self.owner in everyone
        assert self.failover.standing_by() == everyone - {self.owner}


TestRedundancy = Redundancy.TestCase
# Each is up to an hour of simulated time, so a soak has fewer of them than of others.
TestRedundancy.settings = settings(stateful_step_count=12, max_examples=min(settings().max_examples, 2000))
