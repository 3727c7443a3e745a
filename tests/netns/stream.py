"""A steady one-way stream of numbered datagrams, for what must happen without the loss of one."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from typing import Self

from .deadline import until
from .host import Host

INTERVAL_SECONDS = 0.02


class Stream:
    """Use as a context manager: sends fifty datagrams a second from one host to an address of the other until closed.

    After it is closed and drained, `lost` and `doubled` are the numbers that did not arrive, or not once.
    """

    def __init__(self, sender: Host, receiver: Host, address: str) -> None:
        self.sent, self.received = 0, Counter[int]()
        self._in = receiver.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.bind((address, 0))
        self._in.settimeout(INTERVAL_SECONDS)
        self._out = sender.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._out.connect(self._in.getsockname())
        self._stop_sending, self._stop_receiving = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_sending.set()
        self._threads[0].join()
        try:
            until(lambda: not self.lost(), "every datagram sent has arrived")
        finally:
            self._stop_receiving.set()
            self._threads[1].join()
            self._in.close()
            self._out.close()

    def _send(self) -> None:
        while not self._stop_sending.wait(INTERVAL_SECONDS):
            self._out.send(struct.pack("<I", self.sent))
            self.sent += 1

    def _receive(self) -> None:
        while not self._stop_receiving.is_set():
            try:
                self.received[struct.unpack("<I", self._in.recv(2048))[0]] += 1
            except TimeoutError:
                continue

    def lost(self) -> list[int]:
        """Numbers sent that have not arrived."""
        return [number for number in range(self.sent) if number not in self.received]

    def doubled(self) -> list[int]:
        """Numbers that arrived more than once."""
        return [number for number, times in self.received.items() if times > 1]
