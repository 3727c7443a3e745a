"""A WireGuard interface of a host: an engine in the foreground, asked through wg(8) or its UAPI socket."""

from __future__ import annotations

import base64
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from .deadline import COMMAND_SECONDS, until
from .engine import Engine
from .host import Host
from .noise import public_key

SOCKETS = "/run/wireguard"


def clamped(octets: bytes) -> bytes:
    """As X25519 takes them (RFC 7748, section 5), which is how an interface shows its private key."""
    return bytes([octets[0] & 248, *octets[1:31], octets[31] & 127 | 64])


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A fresh pair; base64 as wg(8) has it."""

    private: bytes = field(default_factory=lambda: clamped(os.urandom(32)), repr=False)

    @property
    def public(self) -> bytes:
        return public_key(self.private)

    @property
    def private_text(self) -> str:
        return base64.b64encode(self.private).decode()

    @property
    def text(self) -> str:
        """The public key."""
        return base64.b64encode(self.public).decode()


class Interface:
    """Starts the engine, waits until its socket answers and gives it a private key; the system picks the UDP port."""

    def __init__(self, host: Host, engine: Engine, *, name: str = "wg0", keys: KeyPair | None = None) -> None:
        self.host, self.engine, self.name = host, engine, name
        self.keys = keys or KeyPair()
        self._start()
        self.configure(f"[Interface]\nPrivateKey = {self.keys.private_text}\n")

    def command(self) -> list[str | Path]:
        """What is run in the host, to its end."""
        return [self.engine.program, self.name]

    def _start(self) -> None:
        env = {"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "verbose"}
        self.process = process = self.host.start(*self.command(), env=env, log=self.engine.name)
        until(lambda: process.poll() is not None or self.answers(), f"{self.engine.name} answers on its socket")
        assert process.poll() is None, f"{self.engine.name} ended: {self.host.log()}"

    def kill(self) -> None:
        """Ends it the hard way; the link goes with it."""
        self.host.kill(self.pid)
        until(lambda: self.process.poll() is not None, "the old process is gone")

    def restart(self) -> None:
        """The same program anew after it ended, with the same key; peers, addresses and routes are gone."""
        self._start()
        self.configure(f"[Interface]\nPrivateKey = {self.keys.private_text}\n")

    @property
    def pid(self) -> int:
        """The engine's pid in its host."""
        (pid,) = self.host.processes(self.engine.program)
        return pid

    def answers(self) -> bool:
        """True once a `get` over the socket succeeds."""
        try:
            return "errno=0" in self.uapi("get=1\n\n")
        except OSError:
            return False

    def uapi(self, request: str) -> str:
        """The raw answer to a raw request, which ends with an empty line."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(COMMAND_SECONDS)
            connection.connect(str(self.host.path(f"{SOCKETS}/{self.name}.sock")))
            connection.sendall(request.encode())
            answer = bytearray()
            while not answer.endswith(b"\n\n") and (part := connection.recv(1 << 20)):
                answer += part
        return answer.decode()

    def configure(self, text: str, verb: str = "addconf") -> None:
        """Gives a configuration text to `wg addconf`, `setconf` or `syncconf`."""
        self.host.run("wg", verb, self.name, "/dev/stdin", stdin=text)

    def set(self, *words: str, stdin: str = "") -> None:
        """`wg set NAME …`; a key goes to /dev/stdin."""
        self.host.run("wg", "set", self.name, *words, stdin=stdin)

    def show(self, what: str) -> str:
        """`wg show NAME WHAT` without its last newline."""
        return self.host.run("wg", "show", self.name, what).rstrip("\n")

    def of_peer(self, peer: KeyPair, what: str) -> str:
        """The fields that `wg show NAME WHAT` gives for one peer; empty if it has none."""
        rows = (row.split("\t", 1) for row in self.show(what).splitlines())
        return next((row[1] for row in rows if row[0] == peer.text), "")

    @property
    def listen_port(self) -> int:
        return int(self.show("listen-port"))

    def packets_in(self) -> int:
        """How many packets the engine has given to the kernel."""
        return int(self.host.run("cat", "/proc/self/net/dev").split(f"{self.name}:")[1].split()[1])

    def up(self, *prefixes: str, mtu: int = 1420) -> None:
        """Inner addresses, MTU, up. Engines bind their port when they hear that the link is up."""
        for prefix in prefixes:
            nodad = ["nodad"] if ":" in prefix else []
            self.host.ip("address", "add", prefix, "dev", self.name, *nodad)
        self.host.ip("link", "set", self.name, "mtu", str(mtu), "up")
        until(lambda: self.listen_port, "the port is bound")

    def peer(self, keys: KeyPair, *allowed_ips: str, **options: str | int) -> None:
        """Adds a peer. `options` are those of wg(8)'s file, such as Endpoint="…", PersistentKeepalive=1."""
        lines = [f"PublicKey = {keys.text}", *(f"{option} = {value}" for option, value in options.items())]
        lines += [f"AllowedIPs = {', '.join(allowed_ips)}"] if allowed_ips else []
        self.configure("\n".join(["[Peer]", *lines, ""]))


def endpoint(address: str, port: int) -> str:
    """As wg(8) writes it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
