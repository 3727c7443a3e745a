"""Run in a host as `answering.py SECONDS`: answers its echoes in the kernel's stead, each after that
time.
"""

from __future__ import annotations

import socket
import sys
import time

from warren.telemetry.echo import HEADER, REPLY, REQUEST, checksum, ipv4_payload


def main() -> None:
    delay_seconds = float(sys.argv[1])
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        print("ready", flush=True)
        while True:
            packet, (asker, _) = raw.recvfrom(2048)
            message = ipv4_payload(packet)
            if message[0] == REQUEST[4]:
                time.sleep(delay_seconds)
                raw.sendto(reply(message), (asker, 0))


def reply(request: bytes) -> bytes:
    """The same under another type."""
    kind, (*_, identifier, sequence), data = REPLY[4], HEADER.unpack_from(request), request[HEADER.size :]
    plain = HEADER.pack(kind, 0, 0, identifier, sequence) + data
    return HEADER.pack(kind, 0, checksum(plain), identifier, sequence) + data


if __name__ == "__main__":
    main()
