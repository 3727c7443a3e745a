"""A stranger on the wire: takes every frame of an interface and says what could be read in it.

Started on a host as `python -m demo.witness INTERFACE MARKER PORT`. Says `ready` once it listens; ends with its
standard input, and then prints one JSON object (`Sight`).
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
LONGEST_FRAME_BYTES = 1 << 17  # a veth hands over whole segmentation-offload frames
BUFFER_BYTES = 1 << 24
EXCERPT_BYTES = 32
SOL_PACKET, PACKET_STATISTICS = 263, 6  # linux/if_packet.h


@dataclass(slots=True)
class Sight:
    """What was seen."""

    frames: int = 0
    tunnel: int = 0
    """UDP from the tunnel's port to the tunnel's port: datagrams, or trains of them that a veth hands over as one."""
    tunnel_bytes: int = 0
    """Octets in them."""
    neighbours: int = 0
    """ARP and ICMPv6's neighbour and multicast housekeeping, which every Ethernet has."""
    other: int = 0
    marked: int = 0
    """Frames in which the marker could be read."""
    missed: int = 0
    """Frames that the kernel could not queue for the witness."""
    tunnel_excerpt: str = ""
    marked_excerpt: str = ""


def main() -> None:
    """Look until standard input ends."""
    interface, marker, port = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        wire.bind((interface, 0))
        wire.setblocking(False)
        print("ready", flush=True)
        print(json.dumps(asdict(watch(wire, marker, port))))


def watch(wire: socket.socket, marker: bytes, port: int) -> Sight:
    """Take in every frame until standard input ends, then those still queued."""
    sight = Sight()
    while True:
        ready, _, _ = select.select([wire, sys.stdin], [], [])
        drain(wire, sight, marker, port)
        if sys.stdin in ready and not sys.stdin.readline():
            drain(wire, sight, marker, port)
            sight.missed = struct.unpack("II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
            return sight


def drain(wire: socket.socket, sight: Sight, marker: bytes, port: int) -> None:
    """Take in what is queued."""
    while True:
        try:
            frame = wire.recv(LONGEST_FRAME_BYTES)
        except BlockingIOError:
            return
        see(frame, sight, marker, port)


def see(frame: bytes, sight: Sight, marker: bytes, port: int) -> None:
    """Count one frame."""
    sight.frames += 1
    kind, protocol, payload = dissect(frame)
    if protocol == UDP and payload[:4] == struct.pack(">HH", port, port):
        sight.tunnel += 1
        sight.tunnel_bytes += len(payload) - UDP_BYTES
        sight.tunnel_excerpt = payload[UDP_BYTES:][:EXCERPT_BYTES].hex()
    elif kind == ARP or (kind == IPV6 and protocol in (ICMPV6, HOP_BY_HOP)):
        sight.neighbours += 1
    else:
        sight.other += 1
    if marker in frame:
        sight.marked += 1
        sight.marked_excerpt = frame[frame.index(marker) :][:EXCERPT_BYTES].hex()


def dissect(frame: bytes) -> tuple[int, int, bytes]:
    """EtherType, IP protocol (-1 if it is not IP) and what follows the IP header."""
    kind = int.from_bytes(frame[12:14], "big")
    packet = frame[ETHERNET_BYTES:]
    if kind == IPV4 and len(packet) >= 20:
        return kind, packet[9], packet[(packet[0] & 0x0F) * 4 :]
    if kind == IPV6 and len(packet) >= 40:
        return kind, packet[6], packet[40:]
    return kind, -1, packet


if __name__ == "__main__":
    main()
