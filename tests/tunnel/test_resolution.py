"""Names of endpoints: asked when they must be, and what becomes of the answers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from warren._core import PublicKey
from warren.tunnel.config import Endpoint
from warren.tunnel.network import NetworkPeer
from warren.tunnel.resolution import RETRY, Question, Resolution
from warren.tunnel.status import PeerStatus

from .faraway import Faraway
from .strategies import PUBLIC_KEYS

pytestmark = pytest.mark.unit

WALL = 1_700_000_000.0
FIRST, SECOND = PUBLIC_KEYS[:2]
NAME = Endpoint("vpn.example.org", 51820)
OTHER_NAME = Endpoint("vpn2.example.org", 51820)
NOWHERE = Endpoint("2001:db8::dead", 51820)
HERE, THERE = Endpoint("192.0.2.1", 51820), Endpoint("2001:db8::1", 51820)
REASON = "the endpoint vpn.example.org:51820 does not resolve: Name or service not known"


def network_peer(key: PublicKey, endpoint: Endpoint | None) -> NetworkPeer:
    return NetworkPeer("gateway", key, endpoint=endpoint, allowed_ips=(ip_network("10.42.0.0/16"),))


def status(
    at: float | None = None, endpoint: Endpoint | None = None, *, keepalive: int = 25, rx: int = 0, tx: int = 0
) -> PeerStatus:
    """With a handshake `at` that time."""
    return PeerStatus(
        FIRST,
        endpoint=endpoint,
        persistent_keepalive_seconds=keepalive,
        latest_handshake=None if at is None else WALL + at,
        rx_bytes=rx,
        tx_bytes=tx,
    )


def look(resolution: Resolution, now: float, peer: PeerStatus) -> None:
    resolution.observe([peer], now, WALL + now)


def ask(resolution: Resolution, now: float) -> list[Endpoint]:
    return [question.endpoint for question in resolution.take_questions(now, 0.0)]


def connected() -> Resolution:
    """One named peer, resolved to HERE, which shook hands at 0."""
    resolution = Resolution([network_peer(FIRST, NAME)])
    (question,) = resolution.take_questions(0, 0.0)
    resolution.answered(question, [HERE], 0)
    look(resolution, 0, status(0, HERE))
    return resolution


def test_a_name_is_asked_at_connect_and_its_answer_told_until_the_engine_has_it() -> None:
    resolution = Resolution([network_peer(FIRST, NAME), network_peer(SECOND, None)])
    assert resolution.next_deadline() is not None
    (question,) = resolution.take_questions(0, 0.0)
    assert question == Question(FIRST, NAME)
    assert resolution.take_questions(100, 0.0) == ()  # the answer is awaited
    assert resolution.next_deadline() is None
    resolution.answered(question, [HERE], 0)
    assert resolution.endpoints() == {FIRST: HERE}
    look(resolution, 0, status())
    assert resolution.endpoints() == {FIRST: HERE}
    look(resolution, 0, status(None, HERE))
    assert resolution.endpoints() == {}


def test_an_address_needs_no_answer() -> None:
    resolution = Resolution([network_peer(FIRST, HERE)])
    assert resolution.take_questions(0, 0.0) == ()
    assert resolution.endpoints() == {FIRST: HERE}


def test_while_handshakes_succeed_nothing_is_asked_and_a_roamed_endpoint_stays() -> None:
    resolution = connected()
    for now in range(1, 1000):
        look(resolution, now, status(now // 120 * 120, THERE, rx=now, tx=now))
        assert ask(resolution, now) == []
        assert resolution.endpoints() == {}


def test_an_overdue_handshake_asks_again() -> None:
    resolution = connected()
    assert resolution.next_deadline() == 180
    assert ask(resolution, 179.9) == []
    assert ask(resolution, 180) == [NAME]


def test_no_handshake_is_overdue_where_no_traffic_is_wanted() -> None:
    resolution = connected()
    look(resolution, 1, status(0, HERE, keepalive=0))
    assert resolution.next_deadline() is None
    assert ask(resolution, 10_000) == []


def test_a_silent_peer_is_asked_for_after_15_seconds() -> None:
    resolution = connected()
    look(resolution, 10, status(0, HERE, tx=128))
    assert resolution.next_deadline() == 25
    assert ask(resolution, 24.9) == []
    assert ask(resolution, 25) == [NAME]


def test_a_failed_send_asks_at_once() -> None:
    resolution = connected()
    resolution.send_failed(FIRST)
    assert ask(resolution, 10) == [NAME]
    resolution.send_failed(SECOND)  # of which it knows nothing


def test_an_answer_that_comes_when_handshakes_succeed_again_is_dropped() -> None:
    resolution = connected()
    (question,) = resolution.take_questions(180, 0.0)
    look(resolution, 185, status(185, THERE, rx=92, tx=148))
    resolution.answered(question, [HERE], 186)
    assert resolution.endpoints() == {}


def test_a_name_that_does_not_resolve_leaves_its_peer_pending_until_it_is_heard_from() -> None:
    resolution = Resolution([network_peer(FIRST, NAME)])
    (question,) = resolution.take_questions(0, 0.0)
    resolution.failed(question, REASON)
    assert resolution.pending() == {FIRST: REASON}
    assert resolution.endpoints() == {}
    assert resolution.next_deadline() == 1
    look(resolution, 1, status(1, THERE))  # it came by itself
    assert resolution.pending() == {}
    assert ask(resolution, 2) == []
    assert ask(resolution, 181) == [NAME]


def test_questions_come_less_and_less_often_until_the_peer_answers() -> None:
    resolution, asked = Resolution([network_peer(FIRST, NAME)]), []
    for now in range(400):
        for question in resolution.take_questions(now, 0.0):
            asked.append(now)
            resolution.failed(question, REASON)
    assert asked == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]
    look(resolution, 400, status(400, HERE))
    look(resolution, 401, status(400, HERE, tx=128))
    assert ask(resolution, 416) == [NAME]
    assert resolution.next_deadline() is None


@given(attempts=st.integers(0, 10**6), jitter=st.floats(0, 1, exclude_max=True))
def test_a_delay_is_1_to_60_seconds(attempts: int, jitter: float) -> None:
    assert 1 <= RETRY.delay_seconds(attempts, jitter) <= 60
    assert RETRY.delay_seconds(attempts, jitter) <= RETRY.delay_seconds(attempts + 1, 0.0)


def test_an_answer_changes_its_own_peer_alone() -> None:
    resolution = Resolution([network_peer(FIRST, NAME), network_peer(SECOND, NAME)])
    first, second = resolution.take_questions(0, 0.0)
    resolution.answered(first, [HERE], 0)
    assert resolution.endpoints() == {FIRST: HERE}
    resolution.failed(second, REASON)
    assert resolution.pending() == {SECOND: REASON}
    resolution.answered(second, [THERE], 0)  # nobody waits for it any more
    assert resolution.endpoints() == {FIRST: HERE}


def test_a_new_endpoint_counts_at_once_even_while_handshakes_succeed() -> None:
    resolution = connected()
    resolution.change([network_peer(FIRST, THERE)])
    assert resolution.take_questions(10, 0.0) == ()
    look(resolution, 11, status(0, HERE))
    assert resolution.endpoints() == {FIRST: THERE}
    look(resolution, 12, status(0, THERE))
    assert resolution.endpoints() == {}

    resolution.change([network_peer(FIRST, NAME)])
    (question,) = resolution.take_questions(13, 0.0)
    resolution.change([network_peer(FIRST, OTHER_NAME)])
    resolution.answered(question, [HERE], 13)  # to a name that nobody wants any more
    assert resolution.endpoints() == {}
    assert ask(resolution, 13) == [OTHER_NAME]


def test_a_change_elsewhere_leaves_an_endpoint_alone() -> None:
    resolution = connected()
    peer = network_peer(FIRST, NAME)
    resolution.change([replace(peer, name="renamed"), network_peer(SECOND, THERE)])
    assert resolution.take_questions(10, 0.0) == ()
    assert resolution.endpoints() == {SECOND: THERE}
    resolution.change([replace(peer, endpoint=None)])
    assert resolution.endpoints() == {}
    assert resolution.next_deadline() is None


class Renaming(RuleBasedStateMachine):
    """A gateway that moves, a name that follows it or not, a resolver that is slow or fails, a peer that roams."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.peer = Faraway(FIRST)
        self.lives_at = self.name_says = HERE
        self.resolves = True
        self.dead: list[Endpoint] = []
        self.traffic = True
        self.open: list[Question] = []
        self.answer_delay = 0
        self.asked_at: list[float] = []
        self.resolution = Resolution([network_peer(FIRST, NAME)])

    @rule(seconds=st.integers(1, 200))
    def time_goes_by(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second()

    @rule(where=st.sampled_from([HERE, THERE]), told=st.booleans())
    def the_gateway_moves(self, where: Endpoint, told: bool) -> None:
        self.lives_at = where
        if told:
            self.name_says = where

    @rule()
    def the_gateway_is_heard_from_where_it_is(self) -> None:
        """It began a handshake itself, and the engine follows it."""
        self.peer.endpoint = self.lives_at
        self.peer.rx += 148
        self.peer.tx += 92
        self.peer.session_at = self.peer.sent_at = self.now
        self.peer.latest_handshake = WALL + self.now
        self.peer.attempts_from = self.peer.waiting_since = None

    @rule(resolves=st.booleans(), delay=st.integers(0, 40))
    def the_resolver_changes(self, resolves: bool, delay: int) -> None:
        self.resolves, self.answer_delay = resolves, delay

    @rule(dead=st.lists(st.just(NOWHERE), max_size=1))
    def the_name_has_a_dead_address_or_not(self, dead: list[Endpoint]) -> None:
        self.dead = dead

    @rule(traffic=st.booleans())
    def the_host_sends_or_not(self, traffic: bool) -> None:
        self.traffic = traffic

    @rule()
    def with_a_true_name_and_traffic_it_comes_back(self) -> None:
        self.resolves, self.name_says, self.traffic, self.answer_delay = True, self.lives_at, True, 0
        # The longest pause, an answer on its way, silence, two handshakes, and the longest hold of a dead address.
        for _ in range(60 + 40 + 15 + 10 + 65 * len(self.dead)):
            self.second()
        assert self.peer.endpoint == self.lives_at
        assert self.peer.session_at is not None
        assert self.now - self.peer.session_at < 180
        assert self.resolution.pending() == {}

    def second(self) -> None:
        self.now += 1
        wall = WALL + self.now
        reached = self.peer.endpoint == self.lives_at
        self.peer.second(self.now, wall, reached=reached, data=self.traffic)
        self.resolution.observe([self.peer.status()], self.now, wall)
        self.resolve()
        self.apply(reached)

    def resolve(self) -> None:
        for question in self.resolution.take_questions(self.now, 0.5):
            self.open.append(question)
            self.asked_at.append(self.now)
        if self.open and self.now - self.asked_at[-1] >= self.answer_delay:
            (question,) = self.open  # never two at once
            self.open.clear()
            if self.resolves:
                self.resolution.answered(question, [*self.dead, self.name_says], self.now)
            else:
                self.resolution.failed(question, REASON)

    def apply(self, reached: bool) -> None:
        for endpoint in self.resolution.endpoints().values():
            fresh = self.peer.session_at is not None and self.now - self.peer.session_at < 15
            assert not (reached and fresh), "a peer that answers was sent elsewhere"
            self.peer.endpoint = endpoint

    @invariant()
    def questions_are_a_second_apart(self) -> None:
        pairs = zip(self.asked_at, self.asked_at[1:], strict=False)
        assert all(later - earlier >= 1 for earlier, later in pairs)

    @invariant()
    def only_a_name_that_failed_is_pending(self) -> None:
        assert set(self.resolution.pending().values()) <= {REASON}


TestRenaming = Renaming.TestCase
TestRenaming.settings = settings(stateful_step_count=15, max_examples=min(settings().max_examples, 5000))
