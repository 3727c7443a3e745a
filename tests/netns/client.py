"""A peer in Python: the Noise client of `noise.py` behind a UDP socket of a host, with no TUN."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol, Self

from .cookie import with_macs, without_macs
from .deadline import SOON_SECONDS
from .host import Host
from .inner import ECHO_REQUEST, echo
from .interface import KeyPair
from .noise import INITIATION, NO_PRESHARED_KEY, RESPONSE, TRANSPORT, Initiator, Responder, Session

UDP_SEGMENT, TRAIN_DATAGRAMS, TRAIN_BYTES = 103, 64, 65_507  # linux/udp.h
TAI64_EPOCH = 0x4000000000000000 + 10  # TAI was ten seconds ahead of UTC in 1970


def timestamp_now() -> bytes:
    """TAI64N of this moment."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return struct.pack(">QI", TAI64_EPOCH + seconds, nanoseconds)


def trains(datagrams: list[bytes]) -> Iterator[list[bytes]]:
    """Runs of equal length and perhaps a shorter end, as much as the kernel takes at once."""
    train: list[bytes] = []
    for datagram in datagrams:
        full = len(train) == TRAIN_DATAGRAMS or sum(map(len, train)) + len(datagram) > TRAIN_BYTES
        if train and (full or len(train[-1]) < len(train[0]) or len(datagram) > len(train[0])):
            yield train
            train = []
        train.append(datagram)
    if train:
        yield train


class Callee(Protocol):
    """Whom a client speaks to: an interface, or an agent's network."""

    @property
    def keys(self) -> KeyPair: ...
    @property
    def listen_port(self) -> int: ...


class Client:
    """Use as a context manager. `peer` is whom it speaks to, found at `address`."""

    def __init__(self, host: Host, peer: Callee, address: str, psk: bytes = NO_PRESHARED_KEY) -> None:
        self.keys, self.peer, self.psk = KeyPair(), peer, psk
        self.inner, self.peer_inner = "10.9.0.2", "10.9.0.1"
        self._initiator = Initiator(self.keys.private, peer.keys.public, psk)
        self.socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((address, peer.listen_port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def initiation(self, timestamp: bytes = b"", cookie: bytes | None = None) -> bytes:
        """A fresh message 1, for now unless a timestamp is given."""
        index = int.from_bytes(os.urandom(4), "little")
        noise = self._initiator.initiation(os.urandom(32), index, timestamp or timestamp_now())
        return with_macs(noise, self.peer.keys.public, cookie)

    def hear(self, *kinds: int, seconds: float = SOON_SECONDS) -> bytes:
        """The next datagram of one of these kinds; others are passed over. TimeoutError if none comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            datagram = self.socket.recv(1 << 16)
            if datagram[0] in kinds:
                return datagram
        raise TimeoutError(f"no datagram of type {kinds}")

    def drain(self) -> None:
        """Discard the datagrams that have come so far, such as late replies to what was given up."""
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.socket.recv(1 << 16)

    def is_silent(self, *kinds: int, seconds: float = 1.0) -> bool:
        """Waits, and tells whether no datagram of these kinds came."""
        try:
            self.hear(*kinds, seconds=seconds)
        except TimeoutError:
            return True
        return False

    def finish(self, response: bytes) -> Session:
        """Takes message 2 with its MACs."""
        return self._initiator.finish(without_macs(response, self.keys.public))

    def initiate(self) -> Session:
        """A handshake as initiator."""
        self.socket.send(self.initiation())
        return self.finish(self.hear(RESPONSE))

    def respond(self) -> Session:
        """A handshake as responder: waits for message 1 and answers it."""
        responder = Responder(self.keys.private, self.psk)
        responder.accept(without_macs(self.hear(INITIATION), self.keys.public))
        noise, session = responder.response(os.urandom(32), int.from_bytes(os.urandom(4), "little"))
        self.socket.send(with_macs(noise, responder.initiator))
        return session

    def burst(self, datagrams: list[bytes]) -> None:
        """Sends datagrams in their order, equally long ones as trains (UDP_SEGMENT), as peers with offloads do."""
        for train in trains(datagrams):
            stride = struct.pack("H", len(train[0]))
            self.socket.sendmsg([b"".join(train)], [(socket.IPPROTO_UDP, UDP_SEGMENT, stride)] if train[1:] else [])

    def request(self, session: Session, sequence: int, data: bytes = b"") -> bytes:
        """Sends an echo request through the session; the datagram, for those who would replay it."""
        datagram = session.seal(echo(ECHO_REQUEST, self.inner, self.peer_inner, sequence, data))
        self.socket.send(datagram)
        return datagram

    def packet(self, session: Session, seconds: float = SOON_SECONDS) -> bytes:
        """Return the next inner packet of this session that is not empty; other sessions are passed over."""
        while True:
            datagram = self.hear(TRANSPORT, seconds=seconds)
            if session.receives(datagram) and (packet := session.open(datagram)):
                return packet
