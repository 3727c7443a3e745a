"""The witness counts what it must, so that its silence means something."""

from __future__ import annotations

import pytest

from demo.failure import StageError
from demo.secrecy import SEALED_BYTES, dump, verify_secret
from demo.witness import Sight, see

pytestmark = pytest.mark.security

MARKER = b"sixteen readable"
PORT = 51820
PORTS = PORT.to_bytes(2, "big") * 2


def frame(kind: int, packet: bytes) -> bytes:
    """An Ethernet frame."""
    return bytes(12) + kind.to_bytes(2, "big") + packet


def ipv4(protocol: int, payload: bytes, options: bytes = b"") -> bytes:
    """An IPv4 packet in a frame."""
    first = 0x45 + len(options) // 4
    return frame(0x0800, bytes([first]) + bytes(8) + bytes([protocol]) + bytes(10) + options + payload)


def ipv6(protocol: int, payload: bytes) -> bytes:
    """An IPv6 packet in a frame."""
    return frame(0x86DD, bytes([0x60]) + bytes(5) + bytes([protocol]) + bytes(33) + payload)


@pytest.mark.parametrize(
    ("seen", "field"),
    [
        (ipv4(17, PORTS + bytes(20)), "tunnel"),
        (ipv4(17, PORTS + bytes(20), options=bytes(8)), "tunnel"),
        (ipv6(17, PORTS + bytes(20)), "tunnel"),
        (ipv4(17, bytes([0, 53]) + PORTS[:2] + bytes(20)), "other"),
        (ipv4(6, PORTS + bytes(20)), "other"),
        (ipv4(1, bytes(20)), "other"),
        (ipv6(58, bytes(20)), "neighbours"),
        (frame(0x0806, bytes(28)), "neighbours"),
        (frame(0x88CC, bytes(28)), "other"),
        (frame(0x0800, b"\x45"), "other"),
        (b"", "other"),
    ],
)
def test_each_frame_is_counted_as_one_thing(seen: bytes, field: str) -> None:
    sight = Sight()
    see(seen, sight, MARKER, PORT)
    counts = {name: getattr(sight, name) for name in ("tunnel", "neighbours", "other", "marked")}
    assert counts == {"tunnel": 0, "neighbours": 0, "other": 0, "marked": 0} | {field: 1}
    assert sight.frames == 1


def test_a_marker_is_found_in_whatever_carries_it() -> None:
    sight = Sight()
    see(ipv4(17, PORTS + bytes(4) + bytes(7) + MARKER + b"!"), sight, MARKER, PORT)
    assert sight.marked == 1
    assert bytes.fromhex(sight.marked_excerpt) == MARKER + b"!"


def test_secret_is_only_what_showed_the_tunnel_alone() -> None:
    verify_secret(Sight(frames=50, tunnel_bytes=SEALED_BYTES, neighbours=4))


@pytest.mark.parametrize(
    ("sight", "sentence"),
    [
        (Sight(tunnel_bytes=SEALED_BYTES, marked=1), "were read on the wire"),
        (Sight(tunnel_bytes=SEALED_BYTES, other=1), "neither the tunnel's"),
        (Sight(tunnel_bytes=SEALED_BYTES - 1), f"saw {SEALED_BYTES - 1} octets"),
        (Sight(tunnel_bytes=SEALED_BYTES, missed=1), "missed 1"),
    ],
)
def test_anything_else_is_said(sight: Sight, sentence: str) -> None:
    with pytest.raises(StageError, match=sentence):
        verify_secret(sight)


def test_a_dump_shows_octets_and_text() -> None:
    assert dump(b"A\x00~".hex()).split() == ["41", "00", "7e", "A.~"]
