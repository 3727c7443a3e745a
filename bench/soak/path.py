"""Two networks with a translator between them, in userspace: it loses, delays, doubles, breaks and counts.

Neither end sees the other's address. To each the other is wherever the translator's face on its network is, and when a
face moves to another address and port, that end sees its peer roam. A face sends to where its end was heard from last.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from random import Random, SystemRandom
from typing import NamedTuple, Self

from host import Host
from soak.impairment import Fate, Weather, broken
from soak.path_counters import Toll

BUFFER_BYTES = 8 << 20  # seconds of traffic, for a machine that is busy with something else
DATAGRAM_BYTES = 1 << 16
TIMEOUT_SECONDS = 0.2
HANDSHAKES, COOKIE = (1, 2), 3  # first octet of a message
MAC_BYTES = 16
SO_RCVBUFFORCE = 33  # asm-generic/socket.h


@dataclass(slots=True)
class Face:
    """The translator on one end's network; `places` are the addresses and ports it can move to."""

    ends: dict[socket.AddressFamily, str]
    """The end's own addresses."""
    end_port: int
    """Where it was heard from last, or listens at first."""
    places: Iterator[tuple[socket.AddressFamily, str, int]]
    family: socket.AddressFamily = socket.AF_INET
    live: socket.socket | None = None
    left: list[socket.socket] = field(default_factory=list)
    """Sockets of earlier places, where datagrams still come in."""


class Kind(Enum):
    """What a datagram on its way is."""

    ORIGINAL = "as an end sent it"
    DOUBLED = "the same, and a copy follows"
    SPURIOUS = "a copy, or broken"


class Waiting(NamedTuple):
    """A datagram on its way, ordered by when it is due."""

    due: float
    serial: int
    side: str
    """Where it came in."""
    datagram: bytes
    kind: Kind


class Path:
    """Use as a context manager: works in a thread of its own. `tolls` is by the side where datagrams came in."""

    def __init__(self, host: Host, faces: dict[str, Face], weather: Weather, random: Random | None = None) -> None:
        self.weather = weather
        self.tolls = {side: Toll() for side in faces}
        self.moves = 0
        self._host, self._faces = host, faces
        self._random = random or SystemRandom()
        self._waiting: list[Waiting] = []
        self._serial = count()
        self._cut_until = 0.0
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="path")
        for side in faces:
            self._open(side)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for face in self._faces.values():
            for each in (face.live, *face.left):
                if each:
                    each.close()
        self._selector.close()

    def place(self, side: str) -> tuple[str, int]:
        """Where the end of this side finds its peer now."""
        live = self._faces[side].live
        if live is None:
            raise ValueError(f"no face on the side of {side}")
        address, port, *_ = live.getsockname()
        return address, port

    def move(self, side: str) -> None:
        """The end of this side will hear its peer from elsewhere; what it sends to the old place is lost."""
        with self._lock:
            face = self._faces[side]
            for old in face.left:
                self._selector.unregister(old)
                old.close()
            face.left = [face.live] if face.live else []
            self._open(side)
            self.moves += 1

    def cut(self, seconds: float) -> None:
        """Nothing passes for so long, or for what is left of an earlier interruption."""
        with self._lock:
            self._cut_until = max(self._cut_until, time.monotonic() + seconds)

    def mend(self) -> None:
        """Ends an interruption."""
        with self._lock:
            self._cut_until = 0.0

    def snapshot(self) -> tuple[dict[str, Toll], int]:
        """The tolls of this moment, and how many datagrams are on their way."""
        with self._lock:
            return {side: toll.copy() for side, toll in self.tolls.items()}, len(self._waiting)

    def _open(self, side: str) -> None:
        face = self._faces[side]
        face.family, address, port = next(face.places)
        live = self._host.socket(face.family, socket.SOCK_DGRAM)
        live.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        live.setblocking(False)
        live.bind((address, port))
        face.live = live
        self._selector.register(live, selectors.EVENT_READ, side)

    def _work(self) -> None:
        while not self._ended.is_set():
            due = self._waiting[0].due - time.monotonic() if self._waiting else TIMEOUT_SECONDS
            ready = self._selector.select(min(max(due, 0.0), TIMEOUT_SECONDS))
            with self._lock:
                for key, _ in ready:
                    if isinstance(key.fileobj, socket.socket) and key.fileobj.fileno() >= 0:
                        self._receive(key.data, key.fileobj)
                self._deliver()

    def _receive(self, side: str, live: socket.socket) -> None:
        face = self._faces[side]
        with suppress(BlockingIOError):
            while True:
                datagram, source = live.recvfrom(DATAGRAM_BYTES)
                is_stale = live is not face.live
                if not is_stale:
                    face.end_port = source[1]
                if datagram[:1] == bytes([COOKIE]):
                    self.tolls[side].cookies += 1
                    self._wait(side, datagram, Kind.SPURIOUS)
                else:
                    self._take(side, datagram, is_stale=is_stale)

    def _take(self, side: str, datagram: bytes, *, is_stale: bool) -> None:
        toll, octets = self.tolls[side], len(datagram)
        toll.arrived.add(octets)
        if is_stale:
            return toll.stale.add(octets)
        if time.monotonic() < self._cut_until:
            return toll.cut.add(octets)
        match self.weather.fate(self._random):
            case Fate.LOST:
                toll.lost.add(octets)
            case Fate.BROKEN:
                toll.broken.add(octets)
                # The second MAC of a handshake counts for nothing while no cookie is out.
                harmless = MAC_BYTES if datagram[0] in HANDSHAKES else 0
                self._wait(side, broken(datagram, octets - harmless, self._random), Kind.SPURIOUS)
            case Fate.DOUBLED:
                self._wait(side, datagram, Kind.DOUBLED)
            case Fate.PASSED:
                self._wait(side, datagram, Kind.ORIGINAL)
        return None

    def _wait(self, side: str, datagram: bytes, kind: Kind) -> None:
        due = time.monotonic() + self.weather.delay(self._random)
        heapq.heappush(self._waiting, Waiting(due, next(self._serial), side, datagram, kind))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0].due <= now:
            waiting = heapq.heappop(self._waiting)
            toll, octets = self.tolls[waiting.side], len(waiting.datagram)
            is_cut = now < self._cut_until
            is_sent = not is_cut and self._send(self._opposite(waiting.side), waiting.datagram)
            if waiting.kind is Kind.SPURIOUS:
                toll.spurious += is_sent
                continue
            if (
                waiting.kind is Kind.DOUBLED and is_sent
            ):  # only now, or the copy could stand in for an original that is cut
                self._wait(waiting.side, waiting.datagram, Kind.SPURIOUS)
            (toll.cut if is_cut else toll.passed if is_sent else toll.refused).add(octets)
            if is_sent and waiting.datagram[0] in HANDSHAKES:
                toll.handshakes.add(octets)

    def _send(self, side: str, datagram: bytes) -> bool:
        face = self._faces[side]
        if face.live is None:
            return False
        try:
            face.live.sendto(datagram, (face.ends[face.family], face.end_port))
        except OSError:
            return False
        return True

    def _opposite(self, side: str) -> str:
        return next(other for other in self._faces if other != side)
