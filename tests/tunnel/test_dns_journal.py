"""The journal of what was changed: read as it was written, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.files.file_state import MAX_FILE_BYTES, FileState, Kind
from warren.tunnel.dns_journal import DnsBackend, Entry, Journal, encode_journal, parse_journal, restorable

pytestmark = pytest.mark.unit

states = st.builds(FileState, st.sampled_from(Kind), st.binary(), st.integers(0, 0o7777), st.integers(), st.integers())
entries = st.builds(
    Entry, st.text(), st.text(), st.lists(st.ip_addresses()).map(tuple), st.sampled_from(DnsBackend), st.text()
)
journals = st.builds(
    Journal,
    entries=st.lists(entries, max_size=3).map(tuple),
    original=st.none() | states,
    written=st.lists(st.binary(), max_size=2).map(tuple),
    host_servers=st.lists(st.ip_addresses(), max_size=2).map(tuple),
    in_place=st.booleans(),
)
ENTRY = Entry("production", "wg0", (), DnsBackend.FILE, "wg0")


@given(journal=journals)
def test_it_is_read_as_it_was_written(journal: Journal) -> None:
    assert parse_journal(encode_journal(journal)) == journal


@given(state=states)
def test_restorable_state_is_root_s_and_no_program_whatever_was_recorded(state: FileState) -> None:
    bounded = restorable(state)
    assert (bounded.owner, bounded.group, bounded.mode & ~0o644) == (0, 0, 0)
    assert (bounded.kind, bounded.content, bounded.mode) == (state.kind, state.content, state.mode & 0o644)


def test_parse_journal_rejects_a_file_that_is_too_long() -> None:
    longest = Journal(written=(b"x" * MAX_FILE_BYTES,))
    assert parse_journal(encode_journal(longest)) == longest
    with pytest.raises(ValueError, match="expected at most"):
        parse_journal(encode_journal(Journal(written=(b"x" * (MAX_FILE_BYTES + 1),))))


@pytest.mark.parametrize("octets", [b"[" * 100_000, b'{"version": 2, "entries": [], "original": {"mode": 1e999}}'])
def test_parse_journal_rejects_hostile_json(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_journal(octets)


@given(octets=st.binary())
def test_anything_else_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_journal(octets)


@given(journal=journals, data=st.data())
def test_so_is_one_with_a_part_missing_or_of_another_kind(journal: Journal, data: st.DataObject) -> None:
    document = json.loads(encode_journal(journal))
    key = data.draw(st.sampled_from(sorted(document)))
    document[key] = data.draw(st.sampled_from([7.5, "no", {"no": 1}, ["no"]]))
    if key == "in_place":
        del document[key]
    with pytest.raises(ValueError, match=r"."):
        parse_journal(json.dumps(document).encode())


def test_one_entry_for_each_network_the_newest_last() -> None:
    again = Entry("production", "wg7", (), DnsBackend.FILE, "wg7")
    other = Entry("staging", "wg1", (), DnsBackend.RESOLVECTL, "wg1")
    journal = Journal().with_entry(ENTRY).with_entry(other).with_entry(again)
    assert journal.entries == (other, again)
    assert journal.of("production") == again
    assert journal.in_file == (again,)
    assert journal.without("production").without("staging") == Journal()
    assert journal.of("unknown") is None


@pytest.mark.parametrize(
    ("content", "in_place", "ours"),
    [
        (b"ours", False, True),
        (b"next", False, True),
        (b"before", False, False),
        (b"ou", False, False),
        (b"ou", True, True),
        (b"bef", True, True),
        (b"", True, True),
        (b"others", True, False),
    ],
)
def test_what_is_known_as_ours(content: bytes, in_place: bool, ours: bool) -> None:
    """Half of it only where it could not be made whole beside."""
    journal = Journal((ENTRY,), FileState(Kind.FILE, b"before"), (b"ours", b"next"), in_place=in_place)
    assert journal.is_ours(FileState(Kind.FILE, content)) is ours
    assert not journal.is_ours(FileState(Kind.LINK, content))
