"""Many peers of one interface at the far end of the cable: the program warren-loadgen (rust/crates/loadgen)."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

from engines import TREE
from failure import BenchError
from host import Host
from tunnel import OUTER, PORT, Interface

BUILD_SECONDS = 1800
# linux/udp.h; a send of more than the size set is cut into datagrams of that size.
SOL_UDP, UDP_SEGMENT = 17, 103
PACKET_BYTES, HEADERS_BYTES = 1420, 28  # of the one packet that is sent, and its IPv4 and UDP headers
DATAGRAM_BYTES = PACKET_BYTES + 32
FIRST_INNER = IPv4Address("10.64.0.0")


@cache
def program() -> Path:
    """Return $WARREN_LOADGEN, or the program that cargo builds in release mode."""
    if named := os.environ.get("WARREN_LOADGEN"):
        return Path(named)
    command = ["cargo", "build", "--release", "--locked", "--package", "warren-loadgen"]
    command += ["--manifest-path", str(TREE / "rust/Cargo.toml"), "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=BUILD_SECONDS, check=False)
    made = [executable for line in done.stdout.splitlines() if (executable := json.loads(line).get("executable"))]
    if done.returncode != 0 or not made:
        raise BenchError("cargo could not build warren-loadgen")
    return Path(made[-1])


def peer_settings(public_key_hex: str, number: int) -> str:
    """The lines of a UAPI `set` that make one peer, where it is and what it may send."""
    where = f"endpoint={OUTER['far']}:{PORT}\nallowed_ip={FIRST_INNER + number}/32"
    return f"public_key={public_key_hex}\n{where}\n"


@dataclass(frozen=True, slots=True)
class Load:
    """The parameters of a run."""

    sessions: int = 1
    """Handshakes of each peer, one after the other."""
    rest: float = 0
    """Seconds after them."""
    seconds: float = 0
    """For which all then send, in turn."""
    train: int = 1
    """Packets that a peer sends at once."""


class LoadGenerator:
    """Peers with fresh keys."""

    def __init__(self, peers: int) -> None:
        self.peers = peers
        self._seed = secrets.token_hex(32)

    def keys(self) -> list[str]:
        """Public keys, base64."""
        command = [str(program()), "keys", self._seed, str(self.peers)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    @contextmanager
    def running(self, far: Host, interface: Interface, load: Load) -> Iterator[Running]:
        """The program at work, until it has done all of the load."""
        with far.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.setsockopt(SOL_UDP, UDP_SEGMENT, DATAGRAM_BYTES)
            end.bind((OUTER["far"], PORT))
            end.connect((OUTER["near"], PORT))
            words = [self._seed, self.peers, interface.keys.public]
            words += [load.sessions, load.rest, load.seconds, load.train]
            process = far.start(program(), "run", *map(str, words), stdin=end.fileno())
        running = Running(far, process)
        yield running
        running.wait_for("sent")
        process.wait()


class Running:
    """What the program tells, word by word."""

    def __init__(self, far: Host, process: subprocess.Popen[str]) -> None:
        self._far, self._process = far, process
        self.sent_packets = 0

    def wait_for(self, word: str) -> None:
        """Returns once it has said `connected`, `sending` or `sent`; BenchError if it ends before."""
        for line in self._process.stdout or ():
            said, _, count = line.strip().partition(" ")
            if said == "sent":
                self.sent_packets = int(count)
            if said == word:
                return
        if word != "sent" or not self.sent_packets:
            last = (self._far.log.read_text().strip() or "it said nothing").splitlines()[-1]
            raise BenchError(f"warren-loadgen ended: {last}")
