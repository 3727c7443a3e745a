"""The sniffer of the demo counts every frame, so that zero readable frames prove encryption."""

from __future__ import annotations

import pytest

from demo.failure import StageError
from demo.sniff_stage import SEALED_BYTES, check_encrypted, dump
from demo.sniffer import Capture, count_frame

pytestmark = pytest.mark.security

MARKER = b"sixteen readable"
PORT = 51820
PORTS = PORT.to_bytes(2, "big") * 2


def frame(kind: int, packet: bytes) -> bytes:
    """Return an Ethernet frame."""
    return bytes(12) + kind.to_bytes(2, "big") + packet


def ipv4(protocol: int, payload: bytes, options: bytes = b"") -> bytes:
    """Return an IPv4 packet in a frame."""
    first = 0x45 + len(options) // 4
    return frame(0x0800, bytes([first]) + bytes(8) + bytes([protocol]) + bytes(10) + options + payload)


def ipv6(protocol: int, payload: bytes) -> bytes:
    """Return an IPv6 packet in a frame."""
    return frame(0x86DD, bytes([0x60]) + bytes(5) + bytes([protocol]) + bytes(33) + payload)


@pytest.mark.parametrize(
    ("captured", "field"),
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
def test_count_frame_puts_each_frame_into_one_class(captured: bytes, field: str) -> None:
    capture = Capture()
    count_frame(captured, capture, MARKER, PORT)
    counts = {name: getattr(capture, name) for name in ("tunnel", "neighbours", "other", "marked")}
    assert counts == {"tunnel": 0, "neighbours": 0, "other": 0, "marked": 0} | {field: 1}
    assert capture.frames == 1


def test_count_frame_finds_marker_in_any_payload() -> None:
    capture = Capture()
    count_frame(ipv4(17, PORTS + bytes(4) + bytes(7) + MARKER + b"!"), capture, MARKER, PORT)
    assert capture.marked == 1
    assert bytes.fromhex(capture.marked_excerpt) == MARKER + b"!"


def test_check_encrypted_accepts_only_tunnel_frames() -> None:
    check_encrypted(Capture(frames=50, tunnel_bytes=SEALED_BYTES, neighbours=4))


@pytest.mark.parametrize(
    ("capture", "sentence"),
    [
        (Capture(tunnel_bytes=SEALED_BYTES, marked=1), "was readable on the wire"),
        (Capture(tunnel_bytes=SEALED_BYTES, other=1), "neither tunnel packets"),
        (Capture(tunnel_bytes=SEALED_BYTES - 1), f"captured {SEALED_BYTES - 1} octets"),
        (Capture(tunnel_bytes=SEALED_BYTES, missed=1), "missed 1"),
    ],
)
def test_check_encrypted_rejects_anything_else(capture: Capture, sentence: str) -> None:
    with pytest.raises(StageError, match=sentence):
        check_encrypted(capture)


def test_dump_shows_octets_and_text() -> None:
    assert dump(b"A\x00~".hex()).split() == ["41", "00", "7e", "A.~"]
