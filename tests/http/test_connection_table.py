"""Which connection goes when there are too many."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.http.connection_table import ROOT, Capacity, ConnectionTable, Entry

pytestmark = [pytest.mark.unit, pytest.mark.security]

CAPACITY = Capacity(8, per_source=3, reserve=2)


def fill(table: ConnectionTable, *sources: int) -> list[Entry]:
    """Return the entries of new connections, the first of which is idle for longest."""
    entries = []
    for now, source in enumerate(sources):
        entry, closed = table.admit(source, now)
        assert entry is not None
        assert closed is None
        entries.append(entry)
    return entries


def test_source_above_its_bound_loses_its_own_idlest() -> None:
    table = ConnectionTable(CAPACITY)
    other, first, *_ = fill(table, 1001, 1000, 1000, 1000)
    _, closed = table.admit(1000, 9)
    assert closed is first
    assert table.admit(1001, 9)[1] is None
    assert other.source == 1001


def test_source_whose_connections_all_have_requests_is_rejected() -> None:
    table = ConnectionTable(CAPACITY)
    for entry in fill(table, 1000, 1000, 1000):
        entry.idle_since = None
    assert table.admit(1000, 9) == (None, None)
    assert table.admit(1001, 9)[0] is not None


def test_root_finds_a_place_whatever_others_hold() -> None:
    table = ConnectionTable(CAPACITY)
    for entry in fill(table, 1000, 1000, 1000, 1001, 1001, 1001):
        entry.idle_since = None
    assert table.admit(1002, 9) == (None, None)
    for _ in range(CAPACITY.reserve):
        assert table.admit(ROOT, 9)[0] is not None


def test_idlest_of_the_largest_source_goes_where_the_table_is_full() -> None:
    table = ConnectionTable(CAPACITY)
    _, first, *_ = fill(table, 1001, 1000, 1000, 1000, 1001, 1002)
    _, closed = table.admit(1003, 9)
    assert closed is first


def test_connection_with_a_request_stays() -> None:
    table = ConnectionTable(Capacity(2))
    first, second = fill(table, 1000, 1000)
    first.idle_since = None
    assert table.admit(1000, 9)[1] is second


def test_ended_connection_leaves_its_place() -> None:
    table = ConnectionTable(Capacity(1))
    (entry,) = fill(table, 1000)
    table.remove(entry)
    table.remove(entry)
    assert table.admit(1001, 9)[1] is None


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60))
def test_bounds_hold_after_any_sequence(steps: list[tuple[int, bool]]) -> None:
    table = ConnectionTable(CAPACITY)
    held: list[Entry] = []
    for now, (source, is_busy) in zip(itertools.count(), steps, strict=False):
        entry, closed = table.admit(source, now)
        assert closed is None or (entry is not None and closed.idle_since is not None)
        held = [each for each in held if each is not closed]
        if entry is not None:
            entry.idle_since = None if is_busy else now
            held.append(entry)
        assert len(table) == len(held) <= CAPACITY.total
        assert len([each for each in held if not each.is_of_root]) <= CAPACITY.total - CAPACITY.reserve
        for uid in range(1, 5):
            assert len([each for each in held if each.source == uid]) <= (CAPACITY.per_source or 0)
