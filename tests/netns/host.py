"""A machine of a test: network, mount and process namespaces of its own, held by one process.

    pytest ──stdin pipe── unshare ── sh -> cat      pid 1 of the host; /run is a fresh tmpfs, so every host has its own
                                     ├── engine     /run/wireguard and may call its interface wg0
                                     └── ping, wg…

When pid 1 ends, the kernel ends every process of the host and takes its links; and pid 1 reads a pipe from pytest, so
that happens too when pytest is killed. No name is left in /run/netns, and hosts of several runs never meet.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

import pytest

from .deadline import COMMAND_SECONDS

IN_NAMESPACES = [pytest.mark.integration, pytest.mark.root, pytest.mark.needs("nsenter", "ip", "wg", "ping")]
CLONE_NEWNET = 0x40000000
T = TypeVar("T")
# The shell reports its pid as the outside sees it, read before /proc becomes the namespace's own. A pid 1 that
# ignores SIGCHLD has its orphans reaped by the kernel.
HOLDER = """
read -r pid rest < /proc/self/stat
mount -t tmpfs -o mode=0755 tmpfs /run && mount -t proc proc /proc && ip link set lo up || exit 1
echo "$pid"
trap "" CHLD
exec cat
"""
_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """Use as a context manager; `logs` is a directory for what started programs write."""

    def __init__(self, name: str, logs: Path) -> None:
        self.name = name
        self._logs = logs
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        line = self._holder.stdout.readline()
        if not line:
            raise RuntimeError(f"host {name}: unshare failed with status {self._holder.wait()}")
        self.pid = int(line)
        self._started: list[subprocess.Popen[bytes]] = []
        self._log_files: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process of the host and waits for them. Shows the end of each log, for a failed test's report."""
        self._holder.communicate()  # closes stdin
        for process in self._started:
            process.wait(COMMAND_SECONDS)
        for log in self._log_files:
            print(f"--- {self.name}: {log.name}", *log.read_text(errors="replace").splitlines()[-25:], sep="\n")

    def _enter(self, *command: str | Path) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "--", *map(str, command)]

    def attempt(
        self, *command: str | Path, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program in the host to its end and reports, whatever its status."""
        return subprocess.run(
            self._enter(*command),
            input=stdin,
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def run(self, *command: str | Path, stdin: str = "", env: dict[str, str] | None = None) -> str:
        """What the program wrote; AssertionError with its complaint unless it ends well."""
        done = self.attempt(*command, stdin=stdin, env=env)
        assert done.returncode == 0, f"{self.name}: {command}: status {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def ip(self, *arguments: str) -> str:
        """ip(8) in the host's network only, where `netns PID` may name another host's `pid`."""
        command = ["nsenter", "-t", str(self.pid), "-n", "--", "ip", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        assert done.returncode == 0, f"{self.name}: ip {arguments}: {done.stderr}"
        return done.stdout

    def start(
        self, *command: str | Path, env: dict[str, str] | None = None, log: str = "log"
    ) -> subprocess.Popen[bytes]:
        """Starts a program that goes on; its output goes to a file of `logs`."""
        path = self._logs / f"{self.name}-{log}-{len(self._log_files)}.log"
        with path.open("wb") as out:
            process = subprocess.Popen(
                self._enter(*command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | (env or {})
            )
        self._started.append(process)
        self._log_files.append(path)
        return process

    def log(self) -> str:
        """All that started programs have written so far."""
        return "".join(path.read_text(errors="replace") for path in self._log_files)

    def path(self, inside: str) -> Path:
        """A path of the host as this process can open it."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def processes(self, program: str | Path) -> list[int]:
        """The pids, in the host's own counting, of what runs this program."""
        found = []
        for entry in self.path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except FileNotFoundError:
                continue  # it ended meanwhile
            if words[0] == os.fsencode(program):
                found.append(int(entry.name))
        return found

    def kill(self, pid: int, signal: str = "KILL") -> None:
        """Sends a signal to a process of this host, by its pid there."""
        self.run("sh", "-c", f"kill -{signal} {pid}")

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """A socket of this process that lives in the host's network."""
        return self.inside(lambda: socket.socket(family, kind))

    def inside(self, make: Callable[[], T]) -> T:
        """What `make` makes in the host's network, which sockets stay in."""

        def enter_and_make() -> T:
            with Path(f"/proc/{self.pid}/ns/net").open() as namespace:
                if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                return make()

        with ThreadPoolExecutor(1) as thread:  # setns moves one thread, and this one ends with the call
            return thread.submit(enter_and_make).result()

    def links(self) -> list[str]:
        """Names of all its network links."""
        return [line.split(": ")[1].split("@")[0] for line in self.ip("-o", "link", "show").splitlines()]


def join(left: Host, right: Host, *, name: str = "eth0", mtu: int = 1500) -> None:
    """A cable between two hosts: a veth pair, `name` on both ends, up."""
    left.ip(
        "link", "add", name, "mtu", str(mtu), "type", "veth", "peer", name, "mtu", str(mtu), "netns", str(right.pid)
    )
    for host in (left, right):
        host.ip("link", "set", name, "up")


def address(host: Host, link: str, *prefixes: str) -> None:
    """Gives a link addresses, IPv6 ones at once usable."""
    for prefix in prefixes:
        host.ip("address", "add", prefix, "dev", link, *(["nodad"] if ":" in prefix else []))
