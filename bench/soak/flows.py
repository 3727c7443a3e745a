"""Traffic through a tunnel all the time, at a bounded rate, with every octet compared."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress

from host import Host
from soak.stall import Watch

PORTION_BYTES = 8192
PORTION_SECONDS = 0.08  # 100 kB a second, 0.8 Mb/s
DATAGRAM_SECONDS = 0.05
LONGEST_BYTES = 1200
TIMEOUT_SECONDS = 0.5
CONNECT_SECONDS = 60
NUMBER_BYTES = 8


class Flow:
    """Ends with `close`; `failures` says what arrived otherwise than it was sent."""

    unit = "octets"

    def __init__(self, name: str, watch: Watch) -> None:
        self.name = name
        self.sent, self.received = 0, 0
        self.failures: list[str] = []
        self._watch = watch
        self._flowing = threading.Event()
        self._flowing.set()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def _start(self, *works: Callable[[], None]) -> None:
        self._threads = [threading.Thread(target=self._guarded, args=(work,), name=self.name) for work in works]
        for thread in self._threads:
            thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self.failures.append(f"{self.name}: {error}")

    def pause(self) -> None:
        """Nothing new is sent until `resume`."""
        self._flowing.clear()

    def resume(self) -> None:
        """Goes on."""
        self._flowing.set()

    def close(self) -> None:
        """Stops its threads."""
        self._ended.set()
        self._flowing.set()
        for thread in self._threads:
            thread.join()

    def _is_due(self, seconds: float) -> bool:
        """Waits for the next turn to send; false at the end."""
        self._ended.wait(seconds)
        self._flowing.wait()
        return not self._ended.is_set()

    def _arrived(self, amount: int) -> None:
        self.received += amount
        self._watch.progress(self.name, time.monotonic())


class Stream(Flow):
    """One TCP connection, one way, for as long as the soak lasts. `sent` and `received` are octets."""

    def __init__(self, name: str, watch: Watch, sender: Host, receiver: Host, address: str) -> None:
        super().__init__(name, watch)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with closing(receiver.socket(family, socket.SOCK_STREAM)) as server:
            server.bind((address, 0))
            server.listen()
            self._out = sender.socket(family, socket.SOCK_STREAM)
            self._out.settimeout(CONNECT_SECONDS)
            self._out.connect(server.getsockname()[:2])
            self._in, _ = server.accept()
        for end in (self._out, self._in):
            end.settimeout(TIMEOUT_SECONDS)
        self._start(self._send, self._receive)

    def _send(self) -> None:
        number, rest = 0, b""
        while rest or self._is_due(PORTION_SECONDS):
            if self._ended.is_set():
                return
            rest = rest or portion(self.name, number := number + 1)
            with suppress(TimeoutError):
                count = self._out.send(rest)
                rest = rest[count:]
                self.sent += count

    def _receive(self) -> None:
        number, expected = 0, b""
        while not self._ended.is_set():
            with suppress(TimeoutError):
                part = self._in.recv(PORTION_BYTES)
                while len(expected) < len(part):
                    expected += portion(self.name, number := number + 1)
                if part != expected[: len(part)] or not part:
                    self.failures.append(f"{self.name}: other octets than were sent, after {self.received}")
                    return
                expected = expected[len(part) :]
                self._arrived(len(part))

    def close(self) -> None:
        """And its connection."""
        super().close()
        self._out.close()
        self._in.close()


class Echoes(Flow):
    """Numbered datagrams of many lengths, each answered with the same. Some are lost, none may come twice.

    `sent` and `received` are datagrams.
    """

    unit = "datagrams"

    def __init__(self, name: str, watch: Watch, sender: Host, receiver: Host, address: str) -> None:
        super().__init__(name, watch)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._far = receiver.socket(family, socket.SOCK_DGRAM)
        self._far.bind((address, 0))
        self._near = sender.socket(family, socket.SOCK_DGRAM)
        self._near.connect(self._far.getsockname()[:2])
        for end in (self._near, self._far):
            end.settimeout(TIMEOUT_SECONDS)
        self.unsent = 0
        self.times: dict[str, Counter[bytes]] = {"there": Counter(), "back": Counter()}
        self._start(self._send, self._answer, self._receive)

    def _send(self) -> None:
        while self._is_due(DATAGRAM_SECONDS):
            try:
                self._near.send(numbered(self.name, self.sent))
                self.sent += 1
            except OSError:  # the link is down
                self.unsent += 1

    def _answer(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):
                datagram, source = self._far.recvfrom(1 << 16)
                self.times["there"][datagram[:NUMBER_BYTES]] += 1
                self._far.sendto(datagram, source)

    def _receive(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):  # nothing came, or the link is down
                datagram = self._near.recv(1 << 16)
                if datagram != numbered(self.name, int.from_bytes(datagram[:NUMBER_BYTES], "big")):
                    self.failures.append(f"{self.name}: other octets than were sent")
                self.times["back"][datagram[:NUMBER_BYTES]] += 1
                self._arrived(1)

    def close(self) -> None:
        """And its sockets."""
        super().close()
        self._near.close()
        self._far.close()
        for way, times in self.times.items():
            if twice := [number for number, count in times.items() if count > 1]:
                self.failures.append(f"{self.name}: {len(twice)} datagrams arrived twice on the way {way}")


def portion(name: str, number: int) -> bytes:
    """What the stream of this name carries as its portion of this number."""
    return hashlib.shake_128(f"{name} {number}".encode()).digest(PORTION_BYTES)


def numbered(name: str, number: int) -> bytes:
    """A datagram with its number, and a length and content that follow from it."""
    length = number * 37 % LONGEST_BYTES
    return number.to_bytes(NUMBER_BYTES, "big") + hashlib.shake_128(f"{name} {number}".encode()).digest(length)
