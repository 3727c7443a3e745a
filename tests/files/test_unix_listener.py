"""The control socket on the disk (H-24, H-42)."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.localapi.io.conftest import NOBODY
from tests.localapi.io.served import Conversation, served
from tests.localapi.simulator import SimulatedNetworks, config
from warren.errors import HostError
from warren.files.unix_listener import LOCK_SUFFIX, activation_fd, from_activation, listen

pytestmark = pytest.mark.integration

PING = {"id": "p", "action": "ping"}
# An agent that was killed: it listens, says so, and waits for its end.
KILLED = """
import signal, sys
from pathlib import Path
from warren.files.unix_listener import listen
listener = listen(Path(sys.argv[1]), trust=None)
print(flush=True)
signal.pause()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an agent of a test listens."""
    return tmp_path / "agent.sock"


@pytest.mark.security
def test_its_mode_and_group(path: Path) -> None:
    before = os.umask(0)
    try:
        gid = max({*os.getgroups(), os.getegid()} - {NOBODY})
        with listen(path, gid, trust=None):
            found = path.lstat()
            assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, gid)
            assert stat.S_IMODE(path.with_name(path.name + LOCK_SUFFIX).lstat().st_mode) == 0o600
        assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_it_is_gone_when_the_agent_ends_and_another_may_follow(path: Path) -> None:
    for _ in range(2):
        with listen(path, trust=None):
            assert path.is_socket()
        assert not path.exists()


def test_a_second_agent_is_told_the_pid_of_the_first(path: Path) -> None:
    with listen(path, trust=None):
        with pytest.raises(HostError, match=f"an agent serves {path} already: pid {os.getpid()}$") as error:
            listen(path, trust=None)
        assert error.value.code == "agent.running"
        path.with_name(path.name + LOCK_SUFFIX).unlink()
        with pytest.raises(HostError, match=f"pid {os.getpid()}$"):
            listen(path, trust=None)
        assert path.is_socket()


def test_the_socket_of_an_agent_that_was_killed_is_replaced(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(HostError, match=f"pid {first.pid}$"):
            listen(path, trust=None)
        first.kill()
    assert path.is_socket()
    with listen(path, trust=None), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.security
def test_what_is_no_socket_is_not_touched(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(HostError, match="exists and is not a socket"):
        listen(path, trust=None)
    assert path.read_text() == "precious"


@pytest.mark.security
def test_a_link_in_the_place_of_the_lock_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.with_name(path.name + LOCK_SUFFIX).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="cannot listen at"):
        listen(path, trust=None)
    assert not (tmp_path / "elsewhere").exists()


def test_what_took_its_place_is_not_removed(path: Path) -> None:
    with listen(path, trust=None):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


def test_where_it_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file or directory"):
        listen(tmp_path / "absent" / "agent.sock", trust=None)
    long = tmp_path / ("a" * 120)
    for _ in range(2):  # a refusal holds no lock
        with pytest.raises(HostError, match="path too long"):
            listen(long, trust=None)


def test_a_socket_of_the_service_manager_is_taken_over_and_left_behind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as managers:
        managers.bind(str(path))
        managers.listen()
        descriptor = os.dup(managers.fileno())
        with (
            served(path, SimulatedNetworks(config()), listener=from_activation(descriptor)),
            Conversation(path) as client,
        ):
            assert client.ask(PING) == {"id": "p", "success": True, "data": {"pong": True}}
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    assert path.is_socket()


@pytest.mark.parametrize(
    ("count", "names", "descriptor"),
    [
        ("1", None, 3),
        ("1", "agent.socket", 3),
        ("2", "http:control", 4),
        ("2", "http:other", 3),
        ("1", "http:control", 3),
        ("0", None, None),
        ("", None, None),
        ("-1", None, None),
        (None, None, None),
    ],
)
def test_which_descriptor_the_service_manager_hands_over(
    count: str | None, names: str | None, descriptor: int | None
) -> None:
    given = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": names}
    environ = {key: value for key, value in given.items() if value is not None}
    assert activation_fd(environ) == descriptor
    assert activation_fd({**environ, "LISTEN_PID": "1"}) is None


def test_what_the_service_manager_should_not_hand_over(tmp_path: Path) -> None:
    with (
        (tmp_path / "file").open("w") as file,
        socket.socket(socket.AF_UNIX) as deaf,
        socket.create_server(("127.0.0.1", 0)) as tcp,
    ):
        for each in (file.fileno(), deaf.fileno(), tcp.fileno()):
            with pytest.raises(HostError, match=f"descriptor {each} is not a listening Unix socket"):
                from_activation(each)
            os.fstat(each)
