"""Counters that never go down (H-63), against what was really carried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren._core import PrivateKey
from warren.tunnel.counters import Counters, Octets
from warren.tunnel.status import PeerStatus

pytestmark = pytest.mark.unit
KEYS = [PrivateKey.generate().public_key() for _ in range(3)]
AMOUNTS = st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
ROUNDS = st.lists(st.one_of(st.none(), st.lists(AMOUNTS, min_size=3, max_size=3)), max_size=12)


@given(ROUNDS)
def test_what_was_carried_is_counted_once(rounds: list[list[tuple[int, int]] | None]) -> None:
    """Three peers carry so much between two looks; None is an engine that begins anew."""
    counters, carried = Counters(), Octets()
    engine = [Octets() for _ in KEYS]
    for amounts in rounds:
        if amounts is None:
            engine = [Octets() for _ in KEYS]
            counters.restart()
            continue
        engine = [before + Octets(*amount) for before, amount in zip(engine, amounts, strict=True)]
        carried += sum((Octets(*amount) for amount in amounts), Octets())
        counters.observe([PeerStatus(key, rx_bytes=o.rx, tx_bytes=o.tx) for key, o in zip(KEYS, engine, strict=True)])
        assert counters.total == carried


def test_a_peer_that_went_leaves_what_it_carried() -> None:
    counters = Counters()
    counters.observe([PeerStatus(KEYS[0], rx_bytes=5, tx_bytes=7)])
    counters.observe([])
    assert counters.total == Octets(5, 7)
    counters.observe([PeerStatus(KEYS[0], rx_bytes=1, tx_bytes=1)])
    assert counters.total == Octets(6, 8), "it was made anew, and began at zero"


def test_an_engine_that_was_replaced_unnoticed_takes_nothing_away() -> None:
    counters = Counters()
    counters.observe([PeerStatus(KEYS[0], rx_bytes=50, tx_bytes=70)])
    counters.observe([PeerStatus(KEYS[0], rx_bytes=3, tx_bytes=2)])
    assert counters.total == Octets(53, 72)
