"""A local user in the reading group holds connections open, so that nobody else gets one."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from warren.http.connection_table import Capacity
from warren.http.io.connection import ConnectionTasks, busy
from warren.localapi.io.client import request

from .served_agent import READ_GROUP, UID, ServedAgent

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.root, pytest.mark.needs("setpriv", "curl")]

HOLD = """
held = []
for _ in range({count}):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1] + "/{name}")
    connection.sendall(b"{sent}")
    held.append(connection)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(agent: ServedAgent, name: str, count: int, sent: str = "", users: int = 1) -> Iterator[None]:
    """Hold connections of some users until the block ends."""
    program = HOLD.format(name=name, count=count, sent=sent)
    with ExitStack() as holders:
        for number in range(users):
            holder = holders.enter_context(
                agent.start_python_as(READ_GROUP, program, str(agent.directory), uid=UID + number)
            )
            assert holder.stdout is not None
            assert holder.stdin is not None
            holders.callback(holder.stdin.close)
            assert holder.stdout.readline() == "held\n"
        yield


@pytest.mark.parametrize("sent", ["", "{", '{\\"action\\":\\"ping\\"}\\n'])
def test_idle_connections_of_one_user_do_not_lock_root_out_of_the_control_socket(agent: ServedAgent, sent: str) -> None:
    with held(agent, "agent.sock", 60, sent):
        assert request(agent.socket, "ping") == {"pong": True}


def test_idle_connections_of_many_users_do_not_lock_root_out_of_the_control_socket(agent: ServedAgent) -> None:
    with held(agent, "agent.sock", 8, users=6):
        for _ in range(3):
            assert request(agent.socket, "ping") == {"pong": True}


def test_idle_connections_of_one_user_do_not_lock_another_one_out(agent: ServedAgent) -> None:
    with held(agent, "agent.sock", 60):
        assert agent.ask_as(READ_GROUP, "ping", uid=UID + 9)["success"] is True


def test_idle_connections_do_not_lock_others_out_of_the_local_http(agent: ServedAgent) -> None:
    url = "http://localhost/healthz?format=text"
    with held(agent, "http.sock", 100):
        done = agent.run_as(READ_GROUP, "curl", "--silent", "--unix-socket", str(agent.http_socket), url, uid=UID + 9)
        assert done.stdout == "OK"
    with ExitStack() as connections:
        for _ in range(100):
            connections.enter_context(socket.create_connection(("127.0.0.1", agent.port)))
        assert agent.run_as(
            READ_GROUP, "curl", "--silent", url.replace("//localhost", f"//localhost:{agent.port}")
        ).stdout


@pytest.mark.parametrize("is_busy", [False, True])
def test_connections_that_displace_others_or_are_rejected_fill_no_log(
    is_busy: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Each of them would be a line of the host's log."""

    async def connection() -> None:
        await asyncio.sleep(3_600)

    async def scene() -> None:
        with ExitStack() as requests:
            async with asyncio.TaskGroup() as group:
                connections = ConnectionTasks(Capacity(4), group, "http client")
                tasks = []
                for _ in range(1_000):
                    near, far = socket.socketpair()
                    near.close()
                    if (entry := connections.admit("127.0.0.1")) is None:
                        far.close()
                        continue
                    connections.start(entry, far, connection())
                    tasks.append(connections._tasks[id(entry)])
                    if is_busy:
                        requests.enter_context(busy(entry))
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    logged = [record for record in caplog.records if record.message in {"client.disconnected", "client.rejected"}]
    assert 1 <= len(logged) < 40
