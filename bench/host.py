"""A machine of a bench: network, mount and process namespaces of its own.

Its /run is a fresh tmpfs, so that every host may call its interface wg0. When its first process ends, the kernel ends
all others and takes the links; and that one reads a pipe of this process, so nothing stays, however this process ends.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from failure import BenchError

T = TypeVar("T")

PROGRAM_SECONDS = 60  # ten times what the slowest takes here
SOON_SECONDS = 20
STEP_SECONDS = 0.02
CLONE_NEWNET = 0x40000000
UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
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
    """Use as a context manager; `log` takes what started programs complain of."""

    def __init__(self, name: str, log: Path) -> None:
        self.name, self.log = name, log
        self._started: list[subprocess.Popen[str]] = []
        self._holder = subprocess.Popen(
            [*UNSHARE, "sh", "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self._holder.stdout.readline() if self._holder.stdout else ""
        if not line:
            raise BenchError(f"no namespaces for {name}: unshare ended with status {self._holder.wait()}")
        self.pid = int(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()  # closes stdin
        for process in self._started:
            process.wait(PROGRAM_SECONDS)
            if process.stdout:
                process.stdout.close()

    def _enter(self, *command: str | Path) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "--", *map(str, command)]

    def attempt(
        self, *command: str | Path, stdin: str = "", seconds: float = PROGRAM_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end and reports, whatever its status; BenchError if it does not end."""
        try:
            return subprocess.run(
                self._enter(*command), input=stdin, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self.name}: {command[0]} had not ended after {seconds:g} s") from error

    def run(self, *command: str | Path, stdin: str = "", seconds: float = PROGRAM_SECONDS) -> str:
        """What the program wrote; BenchError with its last word unless it ends well."""
        done = self.attempt(*command, stdin=stdin, seconds=seconds)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
            raise BenchError(f"{self.name}: {command[0]} failed with status {done.returncode}: {said}")
        return done.stdout

    def ip(self, *arguments: str) -> None:
        """ip(8) in the host's network only, where `netns PID` may name another host's `pid`."""
        command = ["nsenter", "-t", str(self.pid), "-n", "--", "ip", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False)
        if done.returncode != 0:
            raise BenchError(f"{self.name}: ip {' '.join(arguments)}: {done.stderr.strip()}")

    def start(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        """Starts a program that goes on; its standard output can be read."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._enter(*command),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | dict(env or {}),
            )
        self._started.append(process)
        return process

    def path(self, inside: str) -> Path:
        """A path of the host as this process can open it."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def inside(self, function: Callable[[], T]) -> T:
        """Call a function on a thread in the host's network, and return its result."""

        def enter_and_call() -> T:
            with Path(f"/proc/{self.pid}/ns/net").open() as namespace:
                if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                return function()

        with ThreadPoolExecutor(1) as thread:  # setns moves one thread, and this one ends with the call
            return thread.submit(enter_and_call).result()

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """A socket of this process that lives in the host's network."""
        return self.inside(lambda: socket.socket(family, kind))


def join(left: Host, right: Host, left_link: str = "eth0", right_link: str = "eth0") -> None:
    """A cable between two hosts: a veth pair, up at both ends."""
    left.ip("link", "add", left_link, "type", "veth", "peer", right_link, "netns", str(right.pid))
    left.ip("link", "set", left_link, "up")
    right.ip("link", "set", right_link, "up")


def until(condition: Callable[[], bool], what: str, seconds: float = SOON_SECONDS) -> None:
    """Waits; BenchError with `what` once the time is up."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"after {seconds:g} s still not: {what}")
        time.sleep(STEP_SECONDS)
