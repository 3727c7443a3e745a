"""The proxies that are compared: how each is built, started and reached."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import engines
import process
from cargo_program import build
from engines import Absent, Engine
from failure import BenchError
from flowgen import PORT, Target
from host import until
from proxy_network import FAR_ENDPOINT, FORWARDED_PORT, INNER_MTU, OUTSIDE, OUTSIDE_NETWORK, SOCKS, FarEnd, Network
from tunnel import INNER, OUTER

FORWARD = "127.0.0.1:1081"


@dataclass(frozen=True, slots=True)
class Started:
    """A proxy that runs."""

    pid: int
    out: Target
    """The server on `far`, for programs on `near`."""
    into: Target
    """The server on `outside`, for programs on `far`."""
    forwards_datagrams: bool
    """True where datagrams from `far` reach `outside`."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that can be started."""

    name: str
    version: str
    start: Callable[[Network], Started]


EXIT = Target(f"{OUTSIDE}:{PORT}")
THROUGH_SOCKS = Target(f"{INNER['far']}:{PORT}", SOCKS)
INSIDE = Target(f"{INNER['near']}:{FORWARDED_PORT}")


def all_proxies() -> list[Proxy | Absent]:
    """Return every proxy, built."""
    return [
        Proxy("Warren", engines.warren().version, start_warren),
        _built("tailscaled", start_tailscale, "Tailscale"),
        _built("gonet", start_gonet),
        _built("onetun", start_onetun),
    ]


@cache
def warren_program() -> Path:
    """Return $WARREN_STACK, or the example of crate `netstack` that cargo builds."""
    named = os.environ.get("WARREN_STACK")
    return Path(named) if named else build("warren-netstack", "--example", "stack")


def start_warren(network: Network) -> Started:
    """Start Warren's stack without an agent: an exit and a SOCKS5 proxy (the example of crate `netstack`)."""
    keys = FarEnd.start(network)
    words = ["name=wg0", f"address={INNER['near']}/24", f"mtu={INNER_MTU}", f"exit={OUTSIDE_NETWORK}", "allow_lan=1"]
    words += [f"endpoint={OUTER['near']}", f"proxy=socks5={SOCKS}"]
    pid = _start(network, warren_program(), *words)
    until(lambda: network.near.attempt("wg", "show", "wg0").returncode == 0, "Warren answers on its socket")
    peer = f"[Peer]\nPublicKey = {keys.far.public}\nEndpoint = {FAR_ENDPOINT}\nPersistentKeepalive = 5\n"
    settings = f"[Interface]\nPrivateKey = {keys.near.private}\n{peer}AllowedIPs = {INNER['far']}/32\n"
    network.near.run("wg", "setconf", "wg0", "/dev/stdin", stdin=settings)
    return Started(pid, THROUGH_SOCKS, EXIT, forwards_datagrams=True)


def start_gonet(program: Path, network: Network) -> Started:
    """Start wireguard-go with its own network stack (bench/go/gonet)."""
    keys = FarEnd.start(network)
    env = {
        "PRIVATE_KEY": keys.near.private,
        "PEER": keys.far.public,
        "ENDPOINT": FAR_ENDPOINT,
        "ADDRESS": INNER["near"],
        "SOCKS": SOCKS,
        "INSIDE": str(FORWARDED_PORT),
        "OUTSIDE": EXIT.address,
    }
    return Started(_start(network, program, env=env), THROUGH_SOCKS, INSIDE, forwards_datagrams=False)


def start_onetun(program: Path, network: Network) -> Started:
    """Start onetun, which has port forwards and no proxy."""
    keys = FarEnd.start(network)
    words = [f"{FORWARD}:{INNER['far']}:{PORT}", "--remote", f"{FORWARDED_PORT}:{EXIT.address}"]
    words += ["--private-key", keys.near.private, "--endpoint-public-key", keys.far.public]
    words += ["--endpoint-addr", FAR_ENDPOINT, "--source-peer-ip", INNER["near"], "--keep-alive", "5"]
    words += ["--max-transmission-unit", str(INNER_MTU), "--log", "error"]
    return Started(_start(network, program, *words), Target(FORWARD), INSIDE, forwards_datagrams=False)


def start_tailscale(program: Path, network: Network) -> Started:
    """Start two tailscaled, the far one with a TUN, and their control server (bench/go/tscontrol)."""
    route = ["-router", "near", "-route", OUTSIDE_NETWORK]
    network.far.start(program.with_name("tscontrol"), "-address", OUTER["far"], *route)
    until(lambda: _accepts(network, f"{OUTER['far']}:8080"), "the control server answers")
    modes = {"far": ["--tun=ts0"], "near": ["--tun=userspace-networking", f"--socks5-server={SOCKS}"]}
    options = {"far": ["--accept-routes"], "near": [f"--advertise-routes={OUTSIDE_NETWORK}"]}
    pids, addresses = {}, {}
    for host in (network.far, network.near):
        state = network.directory / host.name
        state.mkdir()
        flags = [f"--statedir={state}", f"--socket={state}/socket", "--port=41641", "--no-logs-no-support"]
        env = {"TS_DEBUG_FIREWALL_MODE": "nftables", "TS_DEBUG_MTU": str(INNER_MTU)}
        pids[host.name] = _running(host.start(program, *flags, *modes[host.name], env=env))
        until((state / "socket").exists, "tailscaled answers")
        client = [str(program.with_name("tailscale")), f"--socket={state}/socket"]
        login = ["up", f"--login-server=http://{OUTER['far']}:8080", f"--hostname={host.name}", "--accept-dns=false"]
        host.run(*client, *login, "--netfilter-mode=off", "--timeout=30s", *options[host.name])
        addresses[host.name] = host.run(*client, "ip", "-4").split()[0]
    return Started(pids["near"], Target(f"{addresses['far']}:{PORT}", SOCKS), EXIT, forwards_datagrams=True)


def _built(name: str, start: Callable[[Path, Network], Started], shown: str = "") -> Proxy | Absent:
    peer = engines.peer(name)
    if isinstance(peer, Absent):
        return peer
    return _proxy(peer, start, shown or name)


def _proxy(peer: Engine, start: Callable[[Path, Network], Started], shown: str) -> Proxy:
    return Proxy(shown, peer.version, lambda network: start(Path(peer.command[0]), network))


def _start(network: Network, program: Path, *words: str, env: Mapping[str, str] | None = None) -> int:
    return _running(network.near.start(program, *words, env=env))


def _running(started: subprocess.Popen[str]) -> int:
    """Return the pid of a program that a host has started. Raises BenchError."""
    until(lambda: process.child_of(started.pid) is not None or started.poll() is not None, "the proxy starts")
    pid = process.child_of(started.pid)
    if pid is None:
        raise BenchError(f"the proxy ended with status {started.poll()}")
    return pid


def _accepts(network: Network, address: str) -> bool:
    host, port = address.split(":")
    return network.near.attempt("bash", "-c", f": < /dev/tcp/{host}/{port}").returncode == 0
