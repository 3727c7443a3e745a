"""Two hosts, one cable, one tunnel of one engine; `near` is where the figures are taken.

near                                far
eth0  192.0.2.1/24  ─── cable ───   eth0  192.0.2.2/24
wg0   10.9.0.1/24   ═══ tunnel ══   wg0   10.9.0.2/24
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import process
from engines import Engine, Kind
from failure import BenchError
from host import Host, join, until

MTU = 1420  # octets
PORT = 51820
OUTER = {"near": "192.0.2.1", "far": "192.0.2.2"}
INNER = {"near": "10.9.0.1", "far": "10.9.0.2"}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """As wg(8) writes keys."""

    private: str
    public: str

    @classmethod
    def generate(cls) -> KeyPair:
        """A fresh pair."""
        private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
        public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout
        return cls(private.strip(), public.strip())


class Interface:
    """wg0 of a host, up, with a key and a port."""

    def __init__(self, host: Host, engine: Engine) -> None:
        self.host, self.engine, self.keys = host, engine, KeyPair.generate()
        if engine.kind is Kind.KERNEL:
            host.ip("link", "add", "wg0", "type", "wireguard")
        else:
            self._start()
        self.configure("addconf", f"[Interface]\nPrivateKey = {self.keys.private}\nListenPort = {PORT}\n")
        host.ip("address", "add", f"{INNER[host.name]}/24", "dev", "wg0")
        host.ip("link", "set", "wg0", "mtu", str(MTU), "up")

    def _start(self) -> None:
        self._started = self.host.start(*self.engine.command, "wg0", env=self.engine.env)
        until(lambda: self._ended() or self._answers(), f"{self.engine.name} answers on its socket")
        if self._ended():
            last = (self.host.log.read_text(errors="replace").strip() or "it said nothing").splitlines()[-1]
            raise BenchError(f"{self.engine.name} ended: {last}")

    def _ended(self) -> bool:
        return self._started.poll() is not None

    def _answers(self) -> bool:
        return self.host.attempt("wg", "show", "wg0").returncode == 0

    @cached_property
    def pid(self) -> int | None:
        """The engine's process; None where the engine is none."""
        return None if self.engine.kind is Kind.KERNEL else process.child_of(self._started.pid)

    def configure(self, verb: str, text: str) -> None:
        """Gives a text to `wg addconf` or `wg setconf`."""
        self.host.run("wg", verb, "wg0", "/dev/stdin", stdin=text)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Both ends, who can reach each other."""

    near: Host
    far: Host
    address: str
    """Of `far`, for traffic of `near`."""
    interfaces: tuple[Interface, ...] = ()

    @property
    def pids(self) -> list[int]:
        """The engine's processes at both ends."""
        return [interface.pid for interface in self.interfaces if interface.pid]


@contextmanager
def cabled() -> Iterator[tuple[Host, Host]]:
    """`near` and `far` with their outer addresses."""
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        near, far = (stack.enter_context(Host(name, logs / name)) for name in ("near", "far"))
        join(near, far)
        for host in (near, far):
            host.ip("address", "add", f"{OUTER[host.name]}/24", "dev", "eth0")
        yield near, far


@contextmanager
def opened(engine: Engine) -> Iterator[Tunnel]:
    """A tunnel through which an echo has come back; for the floor, the cable."""
    with cabled() as (near, far):
        tunnel = Tunnel(near, far, OUTER["far"])
        if engine.kind is not Kind.FLOOR:
            ends = Interface(near, engine), Interface(far, engine)
            for here, there in (ends, ends[::-1]):
                other = there.host.name
                where = f"AllowedIPs = {INNER[other]}/32\nEndpoint = {OUTER[other]}:{PORT}\n"
                here.configure("addconf", f"[Peer]\nPublicKey = {there.keys.public}\n{where}")
            tunnel = Tunnel(near, far, INNER["far"], ends)
        ping = ["ping", "-n", "-c", "1", "-W", "1", tunnel.address]
        until(lambda: near.attempt(*ping).returncode == 0, f"an echo through {engine.name}")
        yield tunnel
