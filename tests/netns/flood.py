"""Load for a responder: handshake initiations with a valid mac1 and nothing behind it, from someone with no cookie."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Self

from .cookie import with_macs
from .deadline import SLOWNESS
from .host import Host
from .noise import COOKIE_REPLY, INITIATION, INITIATION_BYTES

BURST = 1024  # implementations call 512 waiting handshakes a load, or fewer
TRAIN = 64  # how many the kernel sends for one call at most (UDP_SEGMENT): Python alone is no load for a slow machine
UDP_SEGMENT = 103  # linux/udp.h
PAUSE_SECONDS = 0.05 * SLOWNESS
MOST_SENT = 400_000


class Flood:
    """Use as a context manager: sends bursts in a thread until closed or `MOST_SENT`, and counts the cookie replies."""

    def __init__(self, host: Host, responder_public: bytes, address: tuple[str, int]) -> None:
        body = INITIATION_BYTES - 8 - 32
        messages = [
            with_macs(struct.pack("<B3xI", INITIATION, number) + os.urandom(body), responder_public)
            for number in range(BURST)
        ]
        self._trains = [b"".join(messages[first : first + TRAIN]) for first in range(0, BURST, TRAIN)]
        self._socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, INITIATION_BYTES)
        self._socket.connect(address)
        self._socket.setblocking(False)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent, self.cookie_replies, self.other_replies = 0, 0, 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()

    def _send(self) -> None:
        while not self._closing.is_set() and self.sent < MOST_SENT:
            for train in self._trains:
                with suppress(BlockingIOError):
                    self._socket.send(train)
                    self.sent += TRAIN
            time.sleep(PAUSE_SECONDS)
            self._drain()

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while reply := self._socket.recv(2048):
                if reply[0] == COOKIE_REPLY:
                    self.cookie_replies += 1
                else:
                    self.other_replies += 1
