"""What a network stack writes on the descriptors of Python."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from warren.errors import EngineError
from warren.tunnel.stack_messages import Outcome, StackAddress, parse_address, parse_outcome

pytestmark = pytest.mark.unit


def test_the_layout_is_that_of_the_stack() -> None:
    """rust/crates/netstack/src/listen.rs, `octets`."""
    v6 = ip_address("fd42:1::5")
    assert parse_address(bytes.fromhex("04001234 0a000005") + bytes(12)) == StackAddress(ip_address("10.0.0.5"), 0x1234)
    assert parse_address(bytes.fromhex("06000050") + v6.packed) == StackAddress(v6, 80)


@pytest.mark.parametrize("octets", [b"", bytes(19), bytes(21)])
def test_an_address_of_another_length_is_an_error(octets: bytes) -> None:
    with pytest.raises(EngineError, match="address of"):
        parse_address(octets)


def test_every_outcome_is_known() -> None:
    assert [parse_outcome(each.to_bytes(2, "big")) for each in Outcome] == [*Outcome]
    assert parse_outcome(b"") is parse_outcome(b"\0") is Outcome.CLOSED
    with pytest.raises(EngineError, match="unknown outcome 65535"):
        parse_outcome(b"\xff\xff")
