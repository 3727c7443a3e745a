"""The program warren-flowgen (rust/crates/flowgen): TCP and UDP flows, and a path with a delay."""

from __future__ import annotations

import json
import os
import select
import subprocess
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Self

from cargo_program import build
from failure import BenchError
from host import Host

ANSWER_SECONDS = 30
PORT = 5999


@cache
def program() -> Path:
    """Return $WARREN_FLOWGEN, or the program that cargo builds."""
    named = os.environ.get("WARREN_FLOWGEN")
    return Path(named) if named else build("warren-flowgen")


class Direction(Enum):
    """Where the bytes of a connection go."""

    UP = "up"
    """From the client, who opened it."""
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and how its clients reach it."""

    address: str
    """IPv4 address and port."""
    via: str = "direct"
    """Or the address and port of a SOCKS5 proxy."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The bytes that a program has received."""

    total: int
    by_peer: dict[str, int]
    """For each connection that is open, by the peer's address and port."""
    datagrams: int
    open: int = 0
    """Connections in both directions."""


class Running:
    """A program that runs until it is closed. Use it as a context manager."""

    def __init__(self, host: Host, *arguments: str) -> None:
        self._host, self._name = host, arguments[0]
        self._process = host.start(program(), *arguments, stdin=subprocess.PIPE)
        self.first_line = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def report(self) -> dict[str, Any]:
        """Return the counters of this moment. Raises BenchError."""
        try:
            if self._process.stdin:
                self._process.stdin.write("\n")
                self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        report: dict[str, Any] = json.loads(self._read())
        return report

    def counters(self) -> Counters:
        """Return the counters of a server or client."""
        report = self.report()
        return Counters(report["bytes"], report["flows"], report.get("datagrams", 0), report["open"])

    def _read(self) -> str:
        out = self._process.stdout
        if out is None or not select.select([out], [], [], ANSWER_SECONDS)[0]:
            raise BenchError(f"warren-flowgen {self._name} did not answer within {ANSWER_SECONDS} s")
        line = out.readline()
        if not line:
            raise self._ended()
        return line

    def _ended(self) -> BenchError:
        lines = self._host.log.read_text(errors="replace").strip().splitlines()
        return BenchError(f"warren-flowgen {self._name} ended: {lines[-1] if lines else 'no error output'}")


def server(host: Host, congestion: str) -> Running:
    """Start a sink and source of TCP and a sink of UDP on all addresses of a host."""
    return Running(host, "serve", f"0.0.0.0:{PORT}", congestion)


class Client(Running):
    """Flows from a host to a server."""

    def __init__(self, host: Host, target: Target, congestion: str, direction: Direction, flows: int) -> None:
        super().__init__(host, "run", target.address, target.via, congestion, direction.value, str(flows))
        self.opened: int = json.loads(self.first_line)["open"]


@dataclass(frozen=True, slots=True)
class Dials:
    """Connections that were opened one after the other, each for one byte there and back."""

    seconds: float
    """For all of them."""
    times: tuple[float, ...]
    """Seconds of each that succeeded, in ascending order."""

    def percentile_ms(self, share: float) -> float | None:
        """Return the time that this share of the connections does not exceed; None without any."""
        return 1000 * self.times[int(share * (len(self.times) - 1))] if self.times else None

    @property
    def per_second(self) -> float:
        """Connections per second."""
        return len(self.times) / self.seconds


def dial(host: Host, target: Target, congestion: str, count: int) -> Dials:
    """Open connections from a host to a server."""
    report = json.loads(host.run(program(), "dial", target.address, target.via, congestion, str(count)))
    return Dials(report["seconds"], tuple(sorted(report["times"])))


def send_datagrams(host: Host, address: str, megabits: float, size: int, seconds: float) -> int:
    """Send datagrams from a host at a rate of payload, and return how many were sent."""
    words = ("send", address, str(megabits), str(size), str(seconds))
    return int(json.loads(host.run(program(), *words))["sent"])
