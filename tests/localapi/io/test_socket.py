"""The control socket and its clients (H-26 to H-29, H-41, H-42)."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.localapi.simulator import SimulatedNetworks, config
from warren.files.unix_listener import Listener
from warren.http.connection_table import Capacity
from warren.local_client import Client
from warren.localapi.action import Action, Data
from warren.localapi.framing import MAX_OCTETS
from warren.localapi.io.socket import Limits
from warren.localapi.messages import Request
from warren.tunnel.lifecycle import State

from .served import TIMEOUT_SECONDS, Conversation, outcome, served

pytestmark = pytest.mark.integration

PING = {"id": "p", "action": "ping"}
PONG = {"id": "p", "success": True, "data": {"pong": True}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the agent of a test listens."""
    return tmp_path / "agent.sock"


@pytest.fixture
def networks() -> SimulatedNetworks:
    """Two that work, and one that never gets further than accepted."""
    return SimulatedNetworks(config(), config("lab"), config("stuck"), stuck=["stuck"])


@pytest.fixture
def conversation(path: Path, networks: SimulatedNetworks) -> Iterator[Conversation]:
    """With an agent that serves these networks."""
    with served(path, networks), Conversation(path) as client:
        yield client


def test_responses_follow_the_order_of_requests(conversation: Conversation) -> None:
    assert conversation.ask(PING) == PONG
    conversation.send(
        {"id": "1", "action": "connect"}, {"id": "2", "action": "status"}, {"id": "3", "action": "disconnect"}
    )
    assert [answer["id"] for answer in conversation.end()] == ["1", "2", "3"]


def test_each_kind_of_input_gets_its_response(conversation: Conversation) -> None:
    conversation.send(
        b'\n\r\n{"action":"ping"}\n',
        b'{\n  "id": "spread",\n  "action": "ping"\n}\n',
        b"nonsense\n",
        b'{"id":"4","action":"pi\n',
        b'{"id":"5","id":"6","action":"ping"}\n',
        b'{"id":"7","action":"join"}\n',
        b'{"id":"8","network":"lab"}\n',
        b'{"id":"9","action":"status","network":"none"}\n',
        b'{"action":"status"}\n',
        b'{"id":"10","action":"ping"}',
    )
    assert [outcome(answer) for answer in conversation.end()] == [
        ("req-1", True),
        ("spread", True),
        ("unknown", "parse_error"),
        ("unknown", "parse_error"),
        ("unknown", "parse_error"),
        ("7", "parse_error"),
        ("8", "parse_error"),
        ("9", "network_not_found"),
        ("req-2", True),
        ("10", True),
    ]


def test_malformed_json_keeps_the_connection_open(conversation: Conversation) -> None:
    for octets in (b"nonsense\n", b'{"id":"1",nonsense\n', b'{"id":}\n', b"[]\n", b"\x00\xff\n"):
        assert outcome(conversation.ask(octets)) == ("unknown", "parse_error")
    assert conversation.ask(PING) == PONG


def test_request_above_one_mebibyte_is_rejected_and_closed(path: Path, networks: SimulatedNetworks) -> None:
    start, end = b'{"id":"1","action":"ping","config":{"a":"', b'"}}'
    room = MAX_OCTETS - len(start + end)
    with served(path, networks), Conversation(path) as large, Conversation(path) as other:
        answer = large.ask(start + b"b" * room + end)
        assert answer is not None
        assert "ping takes no config" in str(answer["error"])
        answer = large.ask(start + b"b" * (room + 1) + end)
        assert outcome(answer) == ("unknown", "parse_error")
        assert large.receive() is None
        assert other.ask(PING) == PONG


@pytest.mark.security
def test_input_that_is_no_request_is_counted_as_rejected(path: Path, networks: SimulatedNetworks) -> None:
    limits, hold = Limits(capacity=Capacity(1)), Hold()
    with served(path, networks, limits=limits, planted=[hold.action]) as rejections:
        with Conversation(path) as client:
            for line in (b"[]\n", b"{}\n", b'{"action":"join"}\n'):
                client.ask(line)
            assert client.ask(PING) == PONG
            client.send({"action": "hold"})
            assert hold.has_started.wait(TIMEOUT_SECONDS)
            assert_rejected(path)
        assert int(rejections) == 4


class Hold:
    """An action that never responds."""

    def __init__(self) -> None:
        self.has_started = threading.Event()
        self.action = Action("hold", self._run)

    async def _run(self, _request: Request, _client: Client, _now: float) -> Data:
        """Begin, and never end."""
        self.has_started.set()
        await asyncio.Event().wait()
        raise AssertionError


def assert_rejected(path: Path) -> None:
    """Check that the agent has no place for one more client."""
    with Conversation(path) as client:
        assert outcome(client.receive()) == ("unknown", "parse_error")
        assert client.receive() is None


@pytest.mark.security
def test_client_above_the_limit_takes_the_place_of_the_idlest(path: Path, networks: SimulatedNetworks) -> None:
    with served(path, networks, limits=Limits(capacity=Capacity(2))), Conversation(path) as first:
        assert first.ask(PING) == PONG
        with Conversation(path) as second, Conversation(path) as third:
            assert (second.ask(PING), third.ask(PING)) == (PONG, PONG)
            assert first.receive() is None
            assert (second.ask(PING), third.ask(PING)) == (PONG, PONG)


@pytest.mark.security
def test_client_above_the_limit_is_rejected_while_no_other_is_idle(path: Path, networks: SimulatedNetworks) -> None:
    limits, hold = Limits(capacity=Capacity(1)), Hold()
    with served(path, networks, limits=limits, planted=[hold.action]), Conversation(path) as client:
        client.send({"action": "hold"})
        assert hold.has_started.wait(TIMEOUT_SECONDS)
        assert_rejected(path)


@pytest.mark.security
def test_idle_client_is_rejected_and_closed(path: Path, networks: SimulatedNetworks) -> None:
    with served(path, networks, limits=Limits(idle_seconds=0.3)), Conversation(path) as silent:
        silent.send(b'{"id":')
        assert outcome(silent.receive()) == ("unknown", "parse_error")
        assert silent.receive() is None
        with Conversation(path) as other:
            assert other.ask(PING) == PONG


@pytest.mark.security
def test_client_that_reads_no_responses_blocks_no_other(path: Path, networks: SimulatedNetworks) -> None:
    with served(path, networks, limits=Limits(idle_seconds=0.5)), Conversation(path) as deaf:
        requests = b'{"action":"list"}\n' * 100
        with pytest.raises(ConnectionError):  # its answers fill the socket, and then the agent ends it
            deaf.send(*itertools.repeat(requests, MAX_OCTETS))
        with Conversation(path) as other:
            assert other.ask(PING) == PONG


@pytest.mark.security
@pytest.mark.parametrize("octets", [b" ", b"x", b"x\n", b"{}", b'{"a":['], ids=ascii)
def test_client_that_keeps_sending_blocks_no_other(octets: bytes, path: Path, networks: SimulatedNetworks) -> None:
    def flood() -> None:
        with Conversation(path) as client, suppress(ConnectionError):
            while True:
                client.send(octets * 100_000)

    with ThreadPoolExecutor(2) as threads, served(path, networks), Conversation(path) as other:
        assert other.ask(PING) == PONG
        for _ in range(2):
            threads.submit(flood)
        for _ in range(100):
            assert other.ask(PING) == PONG


def test_slow_client_blocks_no_other(path: Path, networks: SimulatedNetworks) -> None:
    with served(path, networks), Conversation(path) as slow, Conversation(path) as other:
        for octet in b'{"id":"p","action":"ping"}\n':
            slow.send(bytes([octet]))
            assert other.ask(PING) == PONG
        assert slow.receive() == PONG


def test_hanging_action_is_answered_early_and_blocks_no_other(conversation: Conversation, path: Path) -> None:
    answer = conversation.ask({"id": "1", "action": "connect", "network": "stuck"})
    state = {"network": "stuck", "state": "starting", "interface": "wg0", "peers": 2}
    assert answer == {"id": "1", "success": True, "data": state}
    assert outcome(conversation.ask({"id": "2", "action": "connect", "network": "lab"})) == ("2", True)
    assert outcome(conversation.ask({"id": "3", "action": "connect", "network": "stuck"})) == ("3", "invalid_state")
    with Conversation(path) as other:
        answer = other.ask({"id": "4", "action": "disconnect", "network": "stuck"})
        assert answer == {"id": "4", "success": True, "data": {"network": "stuck", "state": "stopping"}}


def test_accepted_action_finishes_after_its_client_has_gone(path: Path, networks: SimulatedNetworks) -> None:
    with served(path, networks):
        with Conversation(path) as gone:
            gone.send({"id": "1", "action": "connect"})
        with Conversation(path) as other:
            status = None
            while status != "active":
                answer = other.ask({"id": "2", "action": "status"})
                assert answer is not None
                data = answer["data"]
                assert isinstance(data, dict)
                status = data["state"]


def test_client_that_disconnects_blocks_no_other(path: Path, networks: SimulatedNetworks) -> None:
    with served(path, networks), Conversation(path) as other:
        for octets in (b"", b"{", b'{"action":"list"}\n' * 500, b"nonsense\n" * 500):
            with Conversation(path) as client:
                client.send(octets)
            assert other.ask(PING) == PONG


@pytest.mark.security
def test_random_input_gets_responses_and_changes_nothing(path: Path, networks: SimulatedNetworks) -> None:
    with served(path, networks):
        for length in range(0, 3000, 61):
            with Conversation(path) as client:
                client.send(os.urandom(length))
                for answer in client.end():
                    assert outcome(answer) == ("unknown", "parse_error")
        with Conversation(path) as other:
            assert other.ask(PING) == PONG
    assert {view.state for view in networks.views()} == {State.UNINITIALIZED}


def test_cancelled_server_disconnects_clients_and_removes_the_socket(path: Path, networks: SimulatedNetworks) -> None:
    with ExitStack() as clients:
        with served(path, networks):
            idle, hanging = (clients.enter_context(Conversation(path)) for _ in range(2))
            assert idle.ask(PING) == PONG
            assert hanging.ask({"id": "1", "action": "connect", "network": "stuck"}) is not None
        assert (idle.receive(), hanging.receive()) == (None, None)
        assert not path.exists()


@pytest.mark.security
def test_log_names_the_process_that_sent_the_request(
    path: Path, networks: SimulatedNetworks, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), served(path, networks), Conversation(path) as client:
        client.ask({"id": "1", "action": "connect"})
    (record,) = (record for record in caplog.records if record.message == "network.connect")
    told = {key: vars(record)[key] for key in ("uid", "gid", "pid")}
    assert told == {"uid": os.geteuid(), "gid": os.getegid(), "pid": os.getpid()}


@pytest.mark.security
def test_client_without_credentials_is_rejected(networks: SimulatedNetworks) -> None:
    tcp = socket.create_server(("127.0.0.1", 0))
    tcp.setblocking(False)
    listener = Listener(tcp, Path("tcp"), ExitStack())
    with served(listener.path, networks, listener=listener), socket.create_connection(tcp.getsockname()) as client:
        client.settimeout(TIMEOUT_SECONDS)
        answer = json.loads(client.makefile("rb").readline())
    tcp.close()
    assert outcome(answer) == ("unknown", "authentication_failed")
