"""A kernel that refuses what a test wants refused, asked about each system call of an offload by seccomp_unotify(2).

It sees the memory that a call points to, so that one kind of ioctl, of control message or of packet can be chosen; what
is not refused goes on to the real kernel. Nothing of the program changes, and a test may change its mind at any time.
"""

from __future__ import annotations

import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from .calls import Call, Wanted
from .deadline import SOON_SECONDS
from .host import Host
from .interface import Interface
from .supervised import NAMES, NUMBERS

SCRIPT = Path(__file__).with_name("supervised.py")
SOCKET = "/run/supervisor.sock"
RECEIVE, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, _SEND
QUESTION = struct.Struct("=QII iIQ 6Q")  # struct seccomp_notif: id, pid, flags; number, architecture, place, arguments
ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp: id, value, error, flags
CONTINUE = 1
POLL_SECONDS = 0.2


@dataclass(slots=True)
class Refusal:
    """Every so-many-th wanted call fails with `errno`; `seen` and `refused` count them."""

    wanted: Wanted
    errno: int
    every: int = 1
    seen: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)

    def of(self, call: Call) -> int:
        """The error for this call, or 0."""
        if not self.wanted(call):
            return 0
        self.seen += 1
        if self.seen % self.every:
            return 0
        self.refused += 1
        return self.errno


class Supervisor:
    """Use as a context manager. `refusals` may be changed at any time; the first that refuses a call counts."""

    def __init__(self, host: Host) -> None:
        if platform.machine() not in NUMBERS:
            pytest.skip(f"the numbers of system calls on {platform.machine()}")
        self.refusals: list[Refusal] = []
        self._names = dict(zip(NUMBERS[platform.machine()], NAMES, strict=False))
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(host.path(SOCKET)))
        self._server.listen()
        self._server.settimeout(SOON_SECONDS)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._server.close()

    def refuse(self, wanted: Wanted, errno: int, every: int = 1) -> Refusal:
        """From now on."""
        refusal = Refusal(wanted, errno, every)
        self.refusals = [*self.refusals, refusal]
        return refusal

    def relent(self) -> None:
        """Refuses nothing any more."""
        self.refusals = []

    def _run(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            _, (descriptor,), _, _ = socket.recv_fds(connection, 1, 1)
            connection.send(b"\0")
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        try:
            while not self._closing.is_set():
                for _, ready in poll.poll(POLL_SECONDS * 1000):
                    if not ready & select.POLLIN:
                        return  # the program has ended
                    self._answer(descriptor)
        finally:
            # From now on each call is refused with ENOSYS: nobody waits for an answer that never comes.
            os.close(descriptor)

    def _answer(self, descriptor: int) -> None:
        question = bytearray(QUESTION.size)
        try:
            fcntl.ioctl(descriptor, RECEIVE, question)
            number, thread, _, kind, _, _, *arguments = QUESTION.unpack(question)
            call = Call(self._names[kind], tuple(arguments), thread)
            errno = next(filter(None, (refusal.of(call) for refusal in self.refusals)), 0)
            answer = ANSWER.pack(number, 0, -errno, 0 if errno else CONTINUE)
            fcntl.ioctl(descriptor, SEND, answer)
        except FileNotFoundError:
            pass  # the caller was killed meanwhile


class Supervised(Interface):
    """An interface whose engine asks `supervisor` about its offloads."""

    def command(self) -> list[str | Path]:
        return [sys.executable, SCRIPT, SOCKET, *super().command()]
