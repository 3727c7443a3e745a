"""Traffic through a tunnel, with every octet compared."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing

from .deadline import SLOWNESS, SOON_SECONDS, until
from .host import Host

CHUNK_BYTES = 1 << 18
BULK_BYTES = int(8_000_000 / SLOWNESS)
UDP_SEGMENT = 103  # linux/udp.h
TRAINS, TRAIN_DATAGRAMS, TRAIN_STRIDE_BYTES = 10, 40, 1200


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ping(host: Host, address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """One echo request, waited for one second, unless `options` say otherwise."""
    return host.attempt("ping", "-n", "-c", "1", "-W", "1", *options, address)


def reach(host: Host, address: str, seconds: float = SOON_SECONDS) -> None:
    """Waits until an echo comes back."""
    until(lambda: ping(host, address).returncode == 0, f"{host.name} reaches {address}", seconds)


def replies(host: Host, address: str, count: int, *options: str) -> int:
    """How many of `count` echo requests, ten a second, came back."""
    done = host.attempt("ping", "-n", "-i", "0.1", "-W", "1", "-c", str(count), *options, address)
    found = re.search(r"(\d+) received", done.stdout)
    assert found, done.stderr
    return int(found[1])


def nothing() -> None:
    """What happens midway unless a test says otherwise."""


def tcp_copy(
    sender: Host, receiver: Host, address: str, size_bytes: int, midway: Callable[[], object] = nothing
) -> None:
    """Sends random octets over TCP to `address` of the receiver and compares their hash; `midway` is called when half
    of them are on their way.
    """
    content = os.urandom(CHUNK_BYTES) * (size_bytes // CHUNK_BYTES + 1)
    with closing(receiver.socket(_family(address), socket.SOCK_STREAM)) as server:
        server.bind((address, 0))
        server.listen()
        server.settimeout(SOON_SECONDS)
        receiving = _Receiving(server)
        with closing(sender.socket(_family(address), socket.SOCK_STREAM)) as client:
            client.settimeout(SOON_SECONDS)
            client.connect(server.getsockname()[:2])
            client.sendall(content[: size_bytes // 2])
            midway()
            client.sendall(content[size_bytes // 2 : size_bytes])
        receiving.join()
    assert receiving.size_bytes == size_bytes
    assert receiving.digest == hashlib.sha256(content[:size_bytes]).digest()


class _Receiving(threading.Thread):
    """Takes one connection and hashes what comes until it is closed."""

    def __init__(self, server: socket.socket) -> None:
        super().__init__()
        self.digest, self.size_bytes = b"", 0
        self._server = server
        self.start()

    def run(self) -> None:
        connection, _ = self._server.accept()
        hashed = hashlib.sha256()
        with connection:
            connection.settimeout(SOON_SECONDS)
            while part := connection.recv(CHUNK_BYTES):
                hashed.update(part)
                self.size_bytes += len(part)
        self.digest = hashed.digest()


def udp_exchange(sender: Host, receiver: Host, address: str, size_bytes: int, count: int = 20) -> None:
    """Sends random datagrams to `address` one by one; each must arrive and be echoed whole. Larger than the MTU, they
    cross in fragments.
    """
    with (
        closing(receiver.socket(_family(address), socket.SOCK_DGRAM)) as server,
        closing(sender.socket(_family(address), socket.SOCK_DGRAM)) as client,
    ):
        server.bind((address, 0))
        client.connect(server.getsockname()[:2])
        for end in (server, client):
            end.settimeout(SOON_SECONDS)
        for _ in range(count):
            sent = os.urandom(size_bytes)
            client.send(sent)
            arrived, source = server.recvfrom(1 << 16)
            assert arrived == sent
            server.sendto(arrived, source)
            assert client.recv(1 << 16) == sent


def udp_trains(sender: Host, receiver: Host, address: str, midway: Callable[[], object] = nothing) -> None:
    """Sends bursts of equally long datagrams to `address`, each burst as one (UDP_SEGMENT), which the host cuts, or the
    tunnel; every datagram must arrive once and in order. `midway` is called after half of the bursts.
    """
    with (
        closing(receiver.socket(_family(address), socket.SOCK_DGRAM)) as server,
        closing(sender.socket(_family(address), socket.SOCK_DGRAM)) as client,
    ):
        server.bind((address, 0))
        server.settimeout(SOON_SECONDS)
        client.connect(server.getsockname()[:2])
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, TRAIN_STRIDE_BYTES)
        for burst in range(TRAINS):
            if burst == TRAINS // 2:
                midway()
            sent = [os.urandom(TRAIN_STRIDE_BYTES) for _ in range(TRAIN_DATAGRAMS)]
            client.send(b"".join(sent))
            assert [server.recv(1 << 16) for _ in sent] == sent
