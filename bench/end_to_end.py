"""Executions by a whole agent: unprivileged, with helper and runner, requested over its control socket."""

from __future__ import annotations

import json
import os
import pwd
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import process
from daemon import USER, Daemon
from failure import BenchError
from fixtures import Orders
from host import Host
from in_process import SIGNED_PER_SECOND
from tunnel import KeyPair

CLIENTS = 16
ANSWER_SECONDS = 30.0
NETWORK = """[network.default]
enable_wireguard = true
interface = "wg0"
private_key_path = "/etc/warren/private.key"
address = "10.9.0.1/24"
"""
SECURITY = """[security]
root = ["{kid}"]
exec_enable = true
rate_per_minute = 100000
verb_rate_per_minute = 100000
single_use_rows = 10000000
"""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of a run with all clients."""

    rate: float
    """Executions per second."""
    cpu_ms: float
    """CPU seconds of the agent's process for each execution."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A running agent."""

    orders: Orders
    daemon: Daemon
    sid: str

    def load(self, verb: str, seconds: float, clients: int = CLIENTS) -> Load:
        """Measure this many clients, each with one request in flight."""
        count = round(SIGNED_PER_SECOND * seconds / clients) + 1
        asked = [[_request(self.orders.sign(verb, self.sid)) for _ in range(count)] for _ in range(clients)]
        with ThreadPoolExecutor(clients) as threads:
            spent, begun = self._cpu_seconds(), time.monotonic()
            counts = threads.map(lambda each: self._client(each, begun + seconds), asked)
            done = sum(counts)
            elapsed = time.monotonic() - begun
        return Load(done / elapsed, 1000 * (self._cpu_seconds() - spent) / done)

    def resident_bytes(self) -> int:
        """Return the resident octets of the agent; its helper and its runner are other processes."""
        return process.resident_bytes(self.daemon.pid)

    def _cpu_seconds(self) -> float:
        found = process.read(self.daemon.pid)
        return found.own_seconds if found else 0.0

    def _client(self, requests: Sequence[bytes], end: float) -> int:
        done = 0
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(self.daemon.socket))
            with connection.makefile("rb") as answers:
                for request in requests:
                    connection.sendall(request)
                    _check(answers.readline())
                    done += 1
                    if time.monotonic() >= end:
                        break
        return done


@contextmanager
def started(directory: Path) -> Iterator[Outside]:
    """Yield an agent on a host of its own with one network up. Raises BenchError."""
    user = pwd.getpwnam(USER)
    with ExitStack() as stack:
        host = stack.enter_context(Host("gateway", directory / "log"))
        daemon = Daemon(host, directory / "agent")
        orders = Orders()
        orders.settle(directory / "agent/var/lib/warren", user.pw_uid, user.pw_gid)
        daemon.key(KeyPair.generate().private)
        daemon.configure(SECURITY.format(kid=orders.root.public.kid) + NETWORK)
        daemon.start(1)
        stack.callback(daemon.stop)
        yield Outside(orders, daemon, daemon.ask("challenge")["sid"])


def check_place(directory: Path) -> None:
    """Raise BenchError where no agent can be started as another user with its files below the directory."""
    for each in (directory, *directory.parents):
        if not each.stat().st_mode & 0o001:
            raise BenchError(f"{each} is closed to {USER}, who runs the agent; name another as --directory")
    if os.geteuid() != 0:
        raise BenchError("a whole agent is started by root")


def _request(envelope: str) -> bytes:
    return json.dumps({"id": "1", "action": "command", "config": {"envelope": envelope}}).encode() + b"\n"


def _check(answer: bytes) -> None:
    """Return whether the response reports success, by its octets: parsing JSON would take CPU time."""
    if b'"status":"SUCCESS"' not in answer.replace(b" ", b""):
        raise BenchError(f"the agent refuses: {answer[:400].decode(errors='replace')}")
