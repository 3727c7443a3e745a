"""What an end says of its peer."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from failure import BenchError
from host import Host
from soak.library import SOCKET

ANSWER_SECONDS = 60
# Reasons of `Drops` for which a datagram that came in is not counted as received from its peer.
REFUSALS = (
    "malformed",
    "invalid_mac",
    "invalid_handshake",
    "rate_limited",
    "no_session",
    "not_authentic",
    "replayed",
)


@dataclass(frozen=True, slots=True)
class Status:
    """Counters of one peer. What only an engine in the asking process tells is None where another one was asked."""

    tx_bytes: int
    rx_bytes: int
    latest_handshake: float
    endpoint: str
    drops: Mapping[str, int] | None = None
    events: Mapping[str, int] | None = None

    @property
    def refusals(self) -> Mapping[str, int] | None:
        """Datagrams that came in and were not taken, by reason."""
        return None if self.drops is None else {reason: self.drops[reason] for reason in REFUSALS}

    @property
    def send_refused(self) -> int | None:
        """Datagrams that the kernel would not send."""
        return None if self.drops is None else self.drops["send_refused"]


def of_library(host: Host, peer: str) -> Status:
    """Asks `library.py`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(host.path(SOCKET)))
        with connection.makefile() as text:
            told = json.load(text)
    if told["missed"]:
        raise BenchError(f"{host.name}: {told['missed']} events were lost, though every one is read within seconds")
    return Status(**told["peers"][peer], drops=told["drops"], events=told["events"])


def of_program(host: Host, peer: str) -> Status:
    """Asks wg(8)."""
    for line in host.run("wg", "show", "wg0", "dump").splitlines()[1:]:
        key, _, endpoint, _, handshake, received, sent, _ = line.split("\t")
        if key == peer:
            return Status(int(sent), int(received), float(handshake), endpoint)
    raise BenchError(f"{host.name}: wg0 has lost its peer")
