"""An eavesdropper: capture every frame of an interface and count what is readable in it.

Run on a host as `python -m demo.sniffer INTERFACE MARKER PORT`. It prints `ready` when it captures. When its standard
input is closed, it prints a `Capture` as JSON and exits.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
from dataclasses import asdict, dataclass

ETH_P_ALL = 0x0003
ETHERNET_BYTES = 14
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
UDP, ICMPV6, HOP_BY_HOP = 17, 58, 0
UDP_BYTES = 8
MAX_FRAME_BYTES = 1 << 17  # a veth delivers whole segmentation-offload frames
BUFFER_BYTES = 1 << 24
EXCERPT_BYTES = 32
SOL_PACKET, PACKET_STATISTICS = 263, 6  # linux/if_packet.h


@dataclass(slots=True)
class Capture:
    """The counts of captured frames."""

    frames: int = 0
    tunnel: int = 0
    """UDP from and to the tunnel's port: datagrams, or batches of them that a veth delivers as one (GSO)."""
    tunnel_bytes: int = 0
    """Octets in tunnel frames."""
    neighbours: int = 0
    """ARP and ICMPv6 neighbour and multicast messages, present on every Ethernet."""
    other: int = 0
    marked: int = 0
    """Frames in which the marker is readable."""
    missed: int = 0
    """Frames that the kernel dropped because the queue was full."""
    tunnel_excerpt: str = ""
    marked_excerpt: str = ""


def main() -> None:
    """Capture until standard input is closed."""
    interface, marker, port = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        wire.bind((interface, 0))
        wire.setblocking(False)
        print("ready", flush=True)
        print(json.dumps(asdict(capture_frames(wire, marker, port))))


def capture_frames(wire: socket.socket, marker: bytes, port: int) -> Capture:
    """Capture every frame until standard input is closed, then the frames still queued."""
    capture = Capture()
    while True:
        ready, _, _ = select.select([wire, sys.stdin], [], [])
        drain(wire, capture, marker, port)
        if sys.stdin in ready and not sys.stdin.readline():
            drain(wire, capture, marker, port)
            capture.missed = struct.unpack("II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
            return capture


def drain(wire: socket.socket, capture: Capture, marker: bytes, port: int) -> None:
    """Count the queued frames."""
    while True:
        try:
            frame = wire.recv(MAX_FRAME_BYTES)
        except BlockingIOError:
            return
        count_frame(frame, capture, marker, port)


def count_frame(frame: bytes, capture: Capture, marker: bytes, port: int) -> None:
    """Count one frame."""
    capture.frames += 1
    kind, protocol, payload = dissect(frame)
    if protocol == UDP and payload[:4] == struct.pack(">HH", port, port):
        capture.tunnel += 1
        capture.tunnel_bytes += len(payload) - UDP_BYTES
        capture.tunnel_excerpt = payload[UDP_BYTES:][:EXCERPT_BYTES].hex()
    elif kind == ARP or (kind == IPV6 and protocol in (ICMPV6, HOP_BY_HOP)):
        capture.neighbours += 1
    else:
        capture.other += 1
    if marker in frame:
        capture.marked += 1
        capture.marked_excerpt = frame[frame.index(marker) :][:EXCERPT_BYTES].hex()


def dissect(frame: bytes) -> tuple[int, int, bytes]:
    """Return EtherType, IP protocol (-1 if it is not IP) and the payload."""
    kind = int.from_bytes(frame[12:14], "big")
    packet = frame[ETHERNET_BYTES:]
    if kind == IPV4 and len(packet) >= 20:
        return kind, packet[9], packet[(packet[0] & 0x0F) * 4 :]
    if kind == IPV6 and len(packet) >= 40:
        return kind, packet[6], packet[40:]
    return kind, -1, packet


if __name__ == "__main__":
    main()
