"""Echoes as octets, and what is made of their answers (RFC 792, RFC 1071, RFC 4443)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.telemetry.echo import (
    REPLY,
    SEQUENCES,
    TIMEOUT_SECONDS,
    WINDOW,
    Echoes,
    EchoReply,
    Figures,
    Version,
    checksum,
    encode_request,
    ipv4_payload,
    only_address,
    parse_reply,
)

pytestmark = pytest.mark.unit

short = st.integers(0, 0xFFFF)
NOW = 1000.0
VERSIONS: tuple[Version, ...] = (4, 6)


def test_the_sum_of_rfc_1071() -> None:
    """Its example, section 3: the sum is 0xddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


@given(short, short, st.binary(max_size=64))
def test_a_request_of_ipv4_sums_up_to_nothing(identifier: int, sequence: int, data: bytes) -> None:
    request = encode_request(4, identifier, sequence, data)
    assert checksum(request) == 0
    assert request[:2] == b"\x08\x00"
    assert request[8:] == data


@pytest.mark.parametrize("version", VERSIONS)
@given(identifier=short, sequence=short, data=st.binary(max_size=64))
def test_an_answer_is_the_request_with_another_type(
    version: Version, identifier: int, sequence: int, data: bytes
) -> None:
    request = encode_request(version, identifier, sequence, data)
    reply = bytes([REPLY[version]]) + request[1:]
    assert parse_reply(version, reply) == EchoReply(identifier, sequence, data)
    assert parse_reply(version, request) is None


@pytest.mark.parametrize("message", [b"", bytes(7), b"\x00\x01" + bytes(6), b"\x03" + bytes(7)])
def test_what_is_no_answer_is_none(message: bytes) -> None:
    assert parse_reply(4, message) is None


@given(st.binary(max_size=80))
def test_no_octets_break_the_parsers(octets: bytes) -> None:
    for version in VERSIONS:
        parse_reply(version, octets)
        parse_reply(version, ipv4_payload(octets))


def test_an_ipv4_header_may_have_options() -> None:
    assert ipv4_payload(b"\x45" + bytes(19) + b"echo") == b"echo"
    assert ipv4_payload(b"\x47" + bytes(27) + b"echo") == b"echo"
    assert ipv4_payload(b"\x60" + bytes(39)) == b""
    assert ipv4_payload(b"\x45" + bytes(18)) == b""


@pytest.mark.parametrize(
    ("allowed_ips", "address"),
    [
        (["10.0.0.2/32"], "10.0.0.2"),
        (["10.0.0.2/32", "10.1.0.0/16", "fd00::2/128"], "10.0.0.2"),
        (["10.1.0.0/16", "fd00::2/128"], "fd00::2"),
        (["10.0.0.2/32", "10.0.0.3/32", "fd00::2/128"], "fd00::2"),
        (["10.0.0.2/32", "10.0.0.3/32"], None),
        (["0.0.0.0/0", "::/0"], None),
        ([], None),
    ],
)
def test_a_peers_one_address(allowed_ips: list[str], address: str | None) -> None:
    expected = None if address is None else ip_address(address)
    assert only_address(map(ip_network, allowed_ips)) == expected


def test_nothing_is_said_before_the_first_answer() -> None:
    echoes = Echoes(b"token")
    assert echoes.figures(NOW) is None
    for second in range(30):
        echoes.request(NOW + second)
    assert echoes.figures(NOW + 60) is None


def test_the_round_trip_is_of_the_last_answer() -> None:
    echoes = Echoes(b"token")
    for second, trip in enumerate((0.125, 0.5, 0.25)):
        echoes.receive(echoes.request(NOW + second), NOW + second + trip)
    assert echoes.figures(NOW + 5) == Figures(0.25, 0.0, NOW + 2.25)


def test_an_echo_under_way_is_not_lost_yet() -> None:
    echoes = Echoes(b"token")
    echoes.receive(echoes.request(NOW), NOW)
    echoes.request(NOW)
    losses = [echoes.figures(NOW + waited) for waited in (TIMEOUT_SECONDS - 0.1, TIMEOUT_SECONDS)]
    assert [figures.loss_rate for figures in losses if figures] == [0.0, 0.5]


def test_an_answer_that_stops_becomes_loss() -> None:
    echoes = Echoes(b"token")
    echoes.receive(echoes.request(NOW), NOW + 0.25)
    for second in range(1, WINDOW):
        echoes.request(NOW + second)
    later = NOW + WINDOW + TIMEOUT_SECONDS
    assert echoes.figures(later) == Figures(0.25, 1 - 1 / WINDOW, NOW + 0.25)
    echoes.request(NOW + WINDOW)
    assert echoes.figures(later) == Figures(None, 1.0, NOW + 0.25)


def test_an_answer_that_comes_twice_or_to_nothing_changes_nothing() -> None:
    echoes = Echoes(b"token")
    sequence = echoes.request(NOW)
    echoes.receive(sequence, NOW + 1)
    before = echoes.figures(NOW + 2)
    echoes.receive(sequence, NOW + 2)
    echoes.receive(sequence + 1, NOW + 2)
    assert echoes.figures(NOW + 2) == before


def test_sequences_begin_again() -> None:
    echoes = Echoes(b"token")
    sequences = [echoes.request(NOW + TIMEOUT_SECONDS * turn) for turn in range(SEQUENCES + 1)]
    assert sequences[-1] == sequences[0] == 0
    echoes.receive(0, NOW + TIMEOUT_SECONDS * SEQUENCES + 0.5)
    figures = echoes.figures(NOW + TIMEOUT_SECONDS * (SEQUENCES + 1))
    assert figures is not None
    assert figures.latency_seconds == pytest.approx(0.5)


@given(st.lists(st.booleans(), min_size=1, max_size=3 * WINDOW))
def test_loss_is_counted_over_the_last_echoes(answered: list[bool]) -> None:
    echoes = Echoes(b"token")
    for second, came in enumerate(answered):
        sequence = echoes.request(NOW + second)
        if came:
            echoes.receive(sequence, NOW + second + 0.5)
    figures = echoes.figures(NOW + len(answered) + TIMEOUT_SECONDS)
    if not any(answered):
        assert figures is None
    else:
        last = answered[-WINDOW:]
        assert figures is not None
        assert figures.loss_rate == pytest.approx(last.count(False) / len(last))
