"""Word to the service manager, over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from warren.agent.io.sd_notify import SdNotify

pytestmark = pytest.mark.integration


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        yield listener


def test_each_state_is_sent(manager: socket.socket) -> None:
    supervisor = SdNotify({"NOTIFY_SOCKET": manager.getsockname()})
    supervisor.ready("2 networks")
    assert manager.recv(100) == b"READY=1\nSTATUS=2 networks"
    supervisor.reloading()
    said = dict(line.split("=") for line in manager.recv(100).decode().splitlines())
    assert said["RELOADING"] == "1"
    assert int(said["MONOTONIC_USEC"]) > 0
    supervisor.alive()
    assert manager.recv(100) == b"WATCHDOG=1"
    supervisor.stopping()
    assert manager.recv(100) == b"STOPPING=1"


def test_abstract_socket_is_supported() -> None:
    name = f"warren-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(10)
        SdNotify({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert listener.recv(100) == b"WATCHDOG=1"


def test_missing_service_manager_is_ignored(tmp_path: Path) -> None:
    SdNotify({}).ready("")
    SdNotify({"NOTIFY_SOCKET": str(tmp_path / "absent")}).ready("")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_interval_is_a_third_of_the_timeout(environ: dict[str, str], seconds: float | None) -> None:
    assert SdNotify(environ).watchdog_seconds == seconds
