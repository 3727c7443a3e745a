"""What counters say of a peer: data wants an answer, a keepalive does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.peer_liveness import Liveness
from warren.tunnel.status import PeerStatus

from .strategies import PUBLIC_KEYS

pytestmark = pytest.mark.unit

WALL = 1_700_000_000.0
KEEPALIVE = 32


def peer(*, rx: int = 0, tx: int = 0, handshake: float | None = None, keepalive: int = 25) -> PeerStatus:
    return PeerStatus(
        PUBLIC_KEYS[0],
        rx_bytes=rx,
        tx_bytes=tx,
        latest_handshake=handshake,
        persistent_keepalive_seconds=keepalive,
    )


def seen(*looks: tuple[float, PeerStatus]) -> Liveness:
    """After looks at these times, by a wall clock that runs as it should."""
    evidence = Liveness()
    for at, status in looks:
        evidence = evidence.after(status, at, WALL + at)
    return evidence


def test_it_is_silent_15_seconds_after_what_was_not_answered() -> None:
    evidence = seen((0, peer(rx=500, tx=500)), (1, peer(rx=500, tx=628)), (2, peer(rx=500, tx=756)))
    assert evidence.silent_at() == 16
    assert not evidence.is_silent(15.9)
    assert evidence.is_silent(16)


def test_an_answer_ends_the_wait() -> None:
    evidence = seen((0, peer(rx=500, tx=500)), (1, peer(rx=500, tx=628)), (14, peer(rx=532, tx=628)))
    assert evidence.silent_at() is None


def test_what_was_answered_before_the_next_look_is_answered() -> None:
    assert seen((0, peer()), (5, peer(rx=1, tx=100_000))).silent_at() is None


@given(interval=st.integers(1, 65535), looks=st.lists(st.floats(0.01, 300), max_size=50))
def test_keepalives_alone_never_make_it_silent(interval: int, looks: list[float]) -> None:
    """However often one looks: WireGuard answers none of them."""
    now, evidence = 0.0, Liveness().after(peer(rx=500, tx=500, keepalive=interval), 0.0, WALL)
    for elapsed in looks:
        now += elapsed
        sent = 500 + KEEPALIVE * int(now // interval)
        evidence = evidence.after(peer(rx=500, tx=sent, keepalive=interval), now, WALL + now)
        assert not evidence.is_silent(now + 10_000)


def test_a_keepalive_that_follows_what_was_received_wants_no_answer() -> None:
    evidence = seen(
        (0, peer(keepalive=0)), (1, peer(rx=500, keepalive=0)), (11, peer(rx=500, tx=KEEPALIVE, keepalive=0))
    )
    assert evidence.silent_at() is None


def test_an_initiation_wants_an_answer() -> None:
    assert seen((0, peer(rx=500, tx=500)), (1, peer(rx=500, tx=648))).silent_at() == 16


def test_a_peer_that_never_answered_is_seen_at_the_first_look() -> None:
    assert seen((3, peer(tx=148))).silent_at() == 18


def test_counters_that_begin_anew_are_another_engines() -> None:
    evidence = seen((0, peer(rx=500, tx=500, handshake=WALL)), (1, peer(rx=500, tx=900)), (2, peer(rx=0, tx=0)))
    assert evidence == seen((2, peer(rx=0, tx=0)))
    assert evidence.silent_at() is None
    assert not evidence.is_fresh(2)


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (179, True), (180, False)])
def test_a_handshake_of_before_the_first_look_has_its_age(age: float, fresh: bool) -> None:
    assert seen((1000, peer(handshake=WALL + 1000 - age))).is_fresh(1000) is fresh


@given(jump=st.floats(-(10**9), 10**9), age=st.floats(0, 179))
def test_a_wall_clock_that_is_set_makes_no_handshake_old_or_young(jump: float, age: float) -> None:
    there = peer(handshake=WALL - age)
    evidence = Liveness().after(there, 0, WALL)
    after = evidence.after(there, 1, WALL + 1 + jump)
    assert after.handshake_at == evidence.handshake_at
    renewed = after.after(peer(handshake=WALL + 2 + jump, rx=92, tx=148), 3, WALL + 3 + jump)
    assert renewed.handshake_at is not None
    assert 1 <= renewed.handshake_at <= 3


@given(before=st.floats(0, 10**9), jump=st.floats(-(10**9), 10**9))
def test_a_handshake_between_two_looks_came_between_them(before: float, jump: float) -> None:
    evidence = seen((10, peer(handshake=None)))
    renewed = evidence.after(peer(handshake=WALL + before, rx=92), 20, WALL + jump)
    assert renewed.handshake_at is not None
    assert 10 <= renewed.handshake_at <= 20
