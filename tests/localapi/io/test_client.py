"""What the command line learns of an agent, and of one that is not there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.localapi.simulator import SimulatedNetworks, config
from warren.errors import EngineError, HostError, InputError, RemoteError, StateError, WarrenError
from warren.files.unix_listener import listen
from warren.localapi.io.client import request
from warren.localapi.messages import ErrorType

from .served import TIMEOUT_SECONDS, served

pytestmark = pytest.mark.integration


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the agent of a test listens."""
    return tmp_path / "agent.sock"


def refused(path: Path, timeout: float = TIMEOUT_SECONDS) -> WarrenError:
    """Why a ping came to nothing."""
    with pytest.raises(WarrenError) as error:
        request(path, "ping", timeout=timeout)
    return error.value


@contextmanager
def answering(path: Path, octets: bytes) -> Iterator[None]:
    """One that takes a line and answers with these octets, whatever was asked."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            lines.readline()
            connection.sendall(octets)

    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as threads:
        listener.bind(str(path))
        listener.listen()
        answered = threads.submit(answer)
        yield
        answered.result(TIMEOUT_SECONDS)


def test_request_returns_the_data_of_the_response(path: Path) -> None:
    with served(path, SimulatedNetworks(config(), config("lab", peers=["only"]))):
        assert request(path, "ping") == {"pong": True}
        assert request(path, "connect", "lab")["peers"] == 1
        made = request(path, "connect", "made", {"privateKeyPath": "/etc/warren/keys/made.key"})
        assert made == {"network": "made", "state": "active", "interface": "wg0", "peers": 0}


def test_request_raises_the_error_of_the_response(path: Path) -> None:
    with served(path, SimulatedNetworks(config())), pytest.raises(StateError) as error:
        request(path, "disconnect")
    assert error.value.code == "network.invalid_state"
    assert str(error.value).startswith("network default is uninitialized: it cannot disconnect")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ErrorType.PARSE, InputError),
        (ErrorType.SERIALIZATION, EngineError),
        (ErrorType.STATE, StateError),
        (ErrorType.NETWORK, StateError),
        (ErrorType.CONFIG, InputError),
        (ErrorType.PLATFORM, HostError),
        (ErrorType.INTERNAL, EngineError),
        (ErrorType.AUTHENTICATION, HostError),
        (ErrorType.PERMISSION, HostError),
    ],
)
def test_every_error_type_has_an_exception(kind: ErrorType, expected: type[WarrenError], path: Path) -> None:
    answer = {"id": "1", "success": False, "error": {"type": kind, "message": "because"}}
    with answering(path, json.dumps(answer).encode() + b"\n"):
        error = refused(path)
    assert (type(error), str(error)) == (expected, "because")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\n",
        b"nonsense\n",
        b"{}\n",
        b'{"id":"1","success":true}\n',
        b'{"id":"1","success":true,"data":[]}\n',
        b'{"id":"1","success":false,"error":{"type":"new_error","message":"m"}}\n',
        b'{"id":"1","success":true,"data":{}',
        b"\xff\xfe\n",
    ],
)
def test_request_rejects_an_invalid_response(octets: bytes, path: Path) -> None:
    with answering(path, octets):
        error = refused(path)
    assert (type(error), error.code) == (RemoteError, "agent.failed")


def test_request_reports_an_agent_that_does_not_run(path: Path) -> None:
    absent = refused(path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    left_behind = refused(path)
    for error in (absent, left_behind):
        assert (error.code, str(error)) == ("agent.unavailable", f"no agent listens at {path}")
        assert "warren agent start" in error.hint


def test_request_times_out_without_a_response(path: Path) -> None:
    with listen(path, trust=None):
        error = refused(path, timeout=0.2)
    assert (error.code, str(error)) == ("agent.timeout", f"no response from the agent at {path} within 0.2 s")


def test_client_imports_nothing_of_the_daemon() -> None:
    code = "import sys, warren.localapi.io.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"asyncio", "warren.localapi.router", "warren.tunnel"}.isdisjoint(done.stdout.split())


@pytest.mark.root
def test_request_names_the_group_that_may_connect(open_directory: Path, other_user: int) -> None:
    path = open_directory / "agent.sock"
    with listen(path, 54321, trust=None):
        os.seteuid(other_user)
        try:
            error = refused(path)
        finally:
            os.seteuid(0)
    assert (error.code, str(error)) == (
        "agent.denied",
        f"permission denied: {path}; expected root or a member of 54321",
    )
