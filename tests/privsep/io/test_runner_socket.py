"""The runner as a unit of its own: whom it serves, one at a time, and when it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands.pipeline.bundles import trusted_directory
from tests.netns.deadline import until
from warren.commands.result import Code
from warren.commands.settings import CommandSettings
from warren.errors import ConfigError, Finding, HostError
from warren.privsep.io.runner_link import connect_runner
from warren.privsep.io.runner_socket import RunnerSocket, adopt_runner, bind_runner
from warren.privsep.runner_protocol import ErrorMessage, Execute, ResultMessage, encode_message, parse_message

from .runners import Line, runner_settings

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]
ROOT, STRANGER = 0, 4712
LONG_SECONDS, SHORT_SECONDS = 600.0, 0.1
JUNK = Execute(7, "junk", "local", "sid", "agent")


class Unit:
    """A runner in a process of its own, for files below a directory."""

    def __init__(self, root: Path, uid: int = ROOT, idle_seconds: float = LONG_SECONDS) -> None:
        self.path = root / "run/runner.sock"
        settings = runner_settings(root)
        self.listener = bind_runner(self.path, uid)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                asyncio.run(RunnerSocket(self.listener, uid, lambda: settings, lambda: True, idle_seconds).serve())
            finally:
                os._exit(0)
        self.listener.close()
        self.status: int | None = None
        self.lines: list[Line] = []

    def connect(self) -> Line:
        """As an agent does."""
        self.lines.append(Line(socket.socket(fileno=connect_runner(self.path))))
        return self.lines[-1]

    def has_ended(self) -> bool:
        """Whether it has, by itself."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def close(self) -> None:
        for line in self.lines:
            line.close()
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


MakeUnit = Callable[..., Unit]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeUnit]:
    """Makes one; it ends with the test."""
    units: list[Unit] = []

    def make_unit(**given: float) -> Unit:
        units.append(Unit(tmp_path, **given))  # type: ignore[arg-type]
        return units[-1]

    yield make_unit
    for unit in units:
        unit.close()


def code_of(line: Line) -> str:
    """How a command ended."""
    line.send(JUNK)
    answer = line.receive()
    assert isinstance(answer, ResultMessage), answer
    assert answer.number == JUNK.number
    return answer.result.error_code


def refusal(line: Line) -> HostError:
    """Why a connection was refused; it is closed then."""
    answer = line.receive()
    assert isinstance(answer, ErrorMessage), answer
    assert line.receive() is None
    assert isinstance(answer.error, HostError)
    return answer.error


def test_agent_is_served_until_it_hangs_up_and_then_the_next(make: MakeUnit) -> None:
    unit = make()
    first = unit.connect()
    assert code_of(first) == Code.INVALID_SIGNATURE
    first.close()
    until(lambda: is_served(unit.connect()), "the next one is served")


def is_served(line: Line) -> bool:
    """Whether a command is answered: the runner may still end what it did for the agent before."""
    with suppress(ConnectionError):
        line.send(JUNK)
        return isinstance(line.receive(), ResultMessage)
    return False


def test_one_agent_at_a_time(make: MakeUnit) -> None:
    unit = make()
    first = unit.connect()
    assert code_of(first) == Code.INVALID_SIGNATURE
    assert refusal(unit.connect()).code == "runner.busy"
    assert code_of(first) == Code.INVALID_SIGNATURE


def test_another_user_is_refused(make: MakeUnit) -> None:
    error = refusal(make(uid=STRANGER).connect())
    assert (error.code, str(error)) == ("runner.denied", f"uid 0 may not use this runner, which serves uid {STRANGER}")


def test_it_ends_without_an_agent_and_its_next_start_takes_the_socket(make: MakeUnit, tmp_path: Path) -> None:
    unit = make(idle_seconds=SHORT_SECONDS)
    until(unit.has_ended, "it ends")
    assert unit.status == 0
    bind_runner(tmp_path / "run/runner.sock", ROOT).close()


def test_it_ends_by_sigterm_while_it_serves(make: MakeUnit) -> None:
    unit = make()
    line = unit.connect()
    assert code_of(line) == Code.INVALID_SIGNATURE
    os.kill(unit.pid, signal.SIGTERM)
    assert line.receive() is None
    until(unit.has_ended, "it ends")
    assert unit.status == 0


def test_a_runner_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no runner listens at") as missing:
        connect_runner(tmp_path / "runner.sock")
    assert (missing.value.code, missing.value.hint) == (
        "runner.unavailable",
        "enable it: systemctl enable --now warren-runner.socket",
    )


LISTEN_AS = """
import os, signal, socket, sys
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen()
print("listens", flush=True)
signal.pause()
"""


def test_a_runner_that_is_not_root_s_is_not_used() -> None:
    with trusted_directory() as directory:
        directory.chmod(0o777)
        path = directory / "runner.sock"
        command = [sys.executable, "-c", LISTEN_AS, str(STRANGER), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as stranger:
            try:
                assert stranger.stdout is not None
                assert stranger.stdout.readline() == b"listens\n"
                with pytest.raises(HostError, match="is not root's"):
                    connect_runner(path)
            finally:
                stranger.kill()


def test_a_second_runner_does_not_take_the_socket(make: MakeUnit) -> None:
    unit = make()
    with pytest.raises(HostError, match="a runner already listens at"):
        bind_runner(unit.path, ROOT)


def test_another_kind_of_socket_is_not_adopted() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind("")
        other.listen()
        with pytest.raises(HostError, match=r"expected one of ListenStream="):
            adopt_runner(other.fileno())


def test_invalid_configuration_is_told_and_ends_no_runner(tmp_path: Path) -> None:
    answers = iter([ConfigError([Finding("sandbox.user", "unknown", "expected a user")]), None])
    settings = runner_settings(tmp_path)

    def read_settings() -> CommandSettings:
        if (error := next(answers)) is not None:
            raise error
        return settings

    async def scene() -> None:
        listener = bind_runner(tmp_path / "run/runner.sock", ROOT)
        serving = asyncio.create_task(RunnerSocket(listener, ROOT, read_settings, lambda: True).serve())
        for expected in (ErrorMessage, ResultMessage):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "run/runner.sock"))
            with suppress(ConnectionError):
                writer.write(encode_message(JUNK))
                await writer.drain()
            assert isinstance(parse_message(await reader.readline()), expected)
            writer.close()
        serving.cancel()
        await asyncio.wait({serving})

    asyncio.run(scene())
