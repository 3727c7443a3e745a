"""The action `dial`: after its response the connection of the control socket is the stream that was dialled."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.localapi.simulator import SimulatedNetworks, config
from warren.errors import RemoteError, WarrenError
from warren.localapi.io.client import capture, dial, request
from warren.localapi.stack_actions import StackActions

from .served import TIMEOUT_SECONDS, served

pytestmark = pytest.mark.integration

BULK = bytes(range(256)) * 8192


class Dialled:
    """A network that answers every dial with one end of a socket pair, or with an error."""

    def __init__(self, error: WarrenError | None = None) -> None:
        self.error = error
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ours.close()
        self.theirs.close()

    def capture(self, _network: str) -> int:
        return self.theirs.detach()

    async def dial(self, _network: str, _host: str, _port: int) -> int:
        if self.error is not None:
            raise self.error
        return self.theirs.detach()


@contextmanager
def agent(path: Path, networks: Dialled) -> Iterator[Path]:
    planted = StackActions(networks).actions()
    with networks, served(path / "agent.sock", SimulatedNetworks(config()), planted=planted):
        yield path / "agent.sock"


def send(connection: socket.socket, octets: bytes) -> None:
    connection.sendall(octets)
    connection.shutdown(socket.SHUT_WR)


def received(connection: socket.socket) -> bytes:
    """All until the end."""
    octets = b""
    while more := connection.recv(1 << 16):
        octets += more
    return octets


def test_bytes_pass_both_ways_and_each_end_is_passed_on(tmp_path: Path) -> None:
    networks = Dialled()
    with agent(tmp_path, networks) as path, dial(path, "default", "10.0.0.5", 80) as connection, networks.ours as far:
        connection.settimeout(TIMEOUT_SECONDS)
        sender = threading.Thread(target=send, args=(connection, BULK))
        sender.start()
        assert received(far) == BULK  # the end came, and the other direction still works
        sender.join(TIMEOUT_SECONDS)
        far.sendall(b"answer")
        far.shutdown(socket.SHUT_WR)
        assert received(connection) == b"answer"


def test_what_the_far_side_says_first_is_not_lost(tmp_path: Path) -> None:
    networks = Dialled()
    networks.ours.sendall(b"220 ready\r\n")
    with agent(tmp_path, networks) as path, dial(path, "default", "mail.corp.example", 25) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        networks.ours.close()
        assert received(connection) == b"220 ready\r\n"


def test_a_client_that_leaves_ends_the_stream(tmp_path: Path) -> None:
    networks = Dialled()
    with agent(tmp_path, networks) as path, networks.ours as far:
        dial(path, "default", "10.0.0.5", 80).close()
        assert far.recv(1) == b""


@pytest.mark.parametrize("code", ["dial.refused", "dial.timed_out", "dial.forbidden", "name.unresolved"])
def test_why_a_dial_failed_reaches_the_client(tmp_path: Path, code: str) -> None:
    networks = Dialled(RemoteError("it did not work", code=code))
    with agent(tmp_path, networks) as path, pytest.raises(RemoteError, match="it did not work") as error:
        dial(path, "default", "10.0.0.5", 80)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"host": "10.0.0.5"}, "port: expected"),
        ({"host": "10.0.0.5", "port": 0}, "port: expected"),
        ({"host": "10.0.0.5", "port": True}, "port: expected"),
        ({"port": 80}, "host: expected"),
        ({"host": "a\nb", "port": 80}, "host: expected"),
        ({"host": "a", "port": 80, "protocol": "udp"}, "protocol: expected tcp"),
        ({"host": "a", "port": 80, "user": "x"}, "expected only host, port, protocol"),
    ],
)
def test_a_malformed_dial_is_rejected(tmp_path: Path, members: dict[str, object], problem: str) -> None:
    with agent(tmp_path, Dialled()) as path, pytest.raises(WarrenError, match=problem):
        request(path, "dial", config=members)


def test_a_capture_is_a_stream_that_ends_with_it(tmp_path: Path) -> None:
    networks = Dialled()
    with agent(tmp_path, networks) as path, capture(path, "default") as stream:
        networks.ours.sendall(b"pcapng")
        networks.ours.shutdown(socket.SHUT_WR)
        assert stream.recv(100) == b"pcapng"
        assert stream.recv(100) == b""


@pytest.mark.security
def test_only_an_administrator_may_dial_and_capture() -> None:
    """H-40."""
    with Dialled() as networks:
        rows = {row.name: row.read_only for row in StackActions(networks).actions()}
    assert rows == {"dial": False, "capture": False}
