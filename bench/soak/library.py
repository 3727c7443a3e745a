"""The program of an end whose engine lives in a Python process, as `warren.up` has it. Argument: the interface's name.

It tells its status over a socket of its own, since the UAPI carries neither drops nor events.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from pathlib import Path

from warren._core import Device

SOCKET = "/run/soak.sock"


def main() -> None:
    """Until it is killed."""
    told: Counter[str] = Counter()
    with Device.open(sys.argv[1]) as device, socket.socket(socket.AF_UNIX) as listener:
        Path(SOCKET).unlink(missing_ok=True)
        listener.bind(SOCKET)
        listener.listen()
        while True:
            client, _ = listener.accept()
            with client:
                told.update(type(event).__name__ for event in device.events.drain())
                client.sendall(document(device, told).encode())


def document(device: Device, told: Counter[str]) -> str:
    """Counters of all peers, drops by reason, events by kind."""
    status = device.status()
    peers = {
        peer.public_key.to_base64(): {
            "tx_bytes": peer.tx_bytes,
            "rx_bytes": peer.rx_bytes,
            "latest_handshake": peer.latest_handshake or 0.0,
            "endpoint": peer.endpoint or "",
        }
        for peer in status.peers
    }
    return json.dumps({"peers": peers, "drops": status.drops, "events": told, "missed": device.events.dropped})


if __name__ == "__main__":
    main()
