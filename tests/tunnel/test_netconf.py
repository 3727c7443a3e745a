"""The kernel's messages about forwarding, as `ip monitor netconf` gets them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.netconf import EVERY_LINK, ForwardingChange, parse_changes

pytestmark = pytest.mark.unit


def message(family: int, *attributes: tuple[int, int], kind: int = 80) -> bytes:
    """Return a message with attributes of four octets."""
    body = struct.pack("=Bxxx", family) + b"".join(struct.pack("=HHi", 8, *attribute) for attribute in attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_changes_of_forwarding_are_read() -> None:
    octets = message(2, (1, 7), (2, 1)) + message(10, (1, -1), (2, 0)) + message(10, (1, 7), (9, 1))
    assert [*parse_changes(octets)] == [
        ForwardingChange(4, 7, "forwarding"),
        ForwardingChange(6, EVERY_LINK, "forwarding"),
        ForwardingChange(6, 7, "force_forwarding"),
    ]


def test_other_settings_and_messages_are_none() -> None:
    others = (
        message(2, (1, 7), (3, 1))
        + message(2, (2, 1))
        + message(7, (1, 7), (2, 1))
        + message(2, (1, 7), (2, 1), kind=81)
    )
    assert [*parse_changes(others)] == []


@given(st.integers(0, 40))
def test_message_that_is_cut_off_is_none(length: int) -> None:
    octets = message(2, (1, 7), (2, 1))
    assert [*parse_changes(octets[:length])] == ([] if length < len(octets) else [ForwardingChange(4, 7, "forwarding")])


@given(st.binary())
def test_any_octets_are_read(octets: bytes) -> None:
    assert all(change.version in {4, 6} for change in parse_changes(octets))
