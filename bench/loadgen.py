"""Many peers of one interface at the far end of the cable: the program warren-loadgen (rust/crates/loadgen)."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cargo_program import build
from failure import BenchError
from host import Host
from tunnel import OUTER, PORT, Interface

# linux/udp.h; a send of more than the size set is cut into datagrams of that size.
SOL_UDP, UDP_SEGMENT = 17, 103
PACKET_BYTES, HEADERS_BYTES = 1420, 28  # of the one packet that is sent, and its IPv4 and UDP headers
DATAGRAM_BYTES = PACKET_BYTES + 32
FIRST_INNER = IPv4Address("10.64.0.0")


def program() -> Path:
    """Return $WARREN_LOADGEN, or the program that cargo builds in release mode."""
    if named := os.environ.get("WARREN_LOADGEN"):
        return Path(named)
    return build("warren-loadgen")


def peer_settings(public_key_hex: str, number: int) -> str:
    """Return the lines of a UAPI `set` that add one peer with its endpoint and allowed IP."""
    where = f"endpoint={OUTER['far']}:{PORT}\nallowed_ip={FIRST_INNER + number}/32"
    return f"public_key={public_key_hex}\n{where}\n"


@dataclass(frozen=True, slots=True)
class Load:
    """The parameters of a run."""

    sessions: int = 1
    """Handshakes of each peer, one after the other."""
    rest: float = 0
    """Seconds to wait after the handshakes."""
    seconds: float = 0
    """Seconds for which the peers then send in turn."""
    batch: int = 1
    """Packets that a peer sends at a time."""


class LoadGenerator:
    """Peers with fresh keys."""

    def __init__(self, peers: int) -> None:
        self.peers = peers
        self._seed = secrets.token_hex(32)

    def keys(self) -> list[str]:
        """Return the public keys in base64."""
        command = [str(program()), "keys", self._seed, str(self.peers)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    @contextmanager
    def running(self, far: Host, interface: Interface, load: Load) -> Iterator[Running]:
        """Run the program until it has finished the load."""
        with far.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.setsockopt(SOL_UDP, UDP_SEGMENT, DATAGRAM_BYTES)
            end.bind((OUTER["far"], PORT))
            end.connect((OUTER["near"], PORT))
            arguments = [self._seed, self.peers, interface.keys.public]
            arguments += [load.sessions, load.rest, load.seconds, load.batch]
            process = far.start(program(), "run", *map(str, arguments), stdin=end.fileno())
        running = Running(far, process)
        yield running
        running.wait_for("sent")
        process.wait()


class Running:
    """A running program, which prints its state."""

    def __init__(self, far: Host, process: subprocess.Popen[str]) -> None:
        self._far, self._process = far, process
        self.sent_packets = 0

    def wait_for(self, wanted: str) -> None:
        """Wait for the state `connected`, `sending` or `sent`. Raises BenchError if the program ends before."""
        for line in self._process.stdout or ():
            state, _, count = line.strip().partition(" ")
            if state == "sent":
                self.sent_packets = int(count)
            if state == wanted:
                return
        if wanted != "sent" or not self.sent_packets:
            last = (self._far.log.read_text().strip() or "no error output").splitlines()[-1]
            raise BenchError(f"warren-loadgen ended: {last}")
