"""One end of a tunnel: wg0 of a host, with an engine that is a process."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path

import process
from engines import Engine
from failure import BenchError
from host import Host, until
from soak import library, status
from soak.status import Status
from soak.topology import PORT
from tunnel import KeyPair


def library_engine(version: str) -> Engine:
    """Warren in a Python process."""
    program = Path(library.__file__)
    return Engine("Warren, library", version, command=(sys.executable, str(program)))


class End:
    """Up, with a key, a port and its inner addresses."""

    def __init__(self, host: Host, engine: Engine, *inner: str) -> None:
        self.host, self.engine, self.keys = host, engine, KeyPair.generate()
        self._started = host.start(*engine.command, "wg0", env=engine.env | {"LOG_LEVEL": "silent"})
        until(lambda: self._has_ended() or self._answers(), f"{engine.name} answers on its socket")
        if self._has_ended():
            raise BenchError(f"{engine.name} ended: {host.log.read_text(errors='replace').strip()}")
        self.set("listen-port", str(PORT), "private-key", "/dev/stdin", stdin=self.keys.private)
        for prefix in inner:
            host.ip("address", "add", prefix, "dev", "wg0", *(["nodad"] if ":" in prefix else []))
        host.ip("link", "set", "wg0", "mtu", "1420", "up")

    def _has_ended(self) -> bool:
        return self._started.poll() is not None

    def _answers(self) -> bool:
        return self.host.attempt("wg", "show", "wg0").returncode == 0

    @cached_property
    def pid(self) -> int:
        """The engine's process."""
        pid = process.child_of(self._started.pid)
        if pid is None:
            raise BenchError(f"{self.engine.name} has no process")
        return pid

    def set(self, *words: str, stdin: str = "") -> None:
        """`wg set wg0 …`; a key goes to /dev/stdin."""
        self.host.run("wg", "set", "wg0", *words, stdin=stdin)

    def status(self, peer: str) -> Status:
        """What it says of a peer, by public key."""
        ask = status.of_library if library.__file__ in self.engine.command else status.of_program
        return ask(self.host, peer)
