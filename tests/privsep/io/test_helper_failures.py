"""The helper serves on after whatever a request or a client meets, and every way out restores the name servers."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.netns.deadline import until
from warren.errors import ConfigError, Finding, HostError
from warren.privsep.io import helper_process
from warren.privsep.io.helper_client import HelperClient, connect_helper
from warren.privsep.io.helper_process import HelperProcess
from warren.privsep.io.helper_socket import HelperSocket, ServiceRules, bind_helper
from warren.privsep.io.helper_state import HelperRules, HelperState
from warren.privsep.io.operations.dns import APPLY_DNS, GET_HOST_DNS, RECOVER_DNS, ApplyDns, GetHostDns, RecoverDns
from warren.privsep.io.operations.table import HELPER_OPERATIONS
from warren.privsep.operation import Operation, operation_table
from warren.privsep.wire import NOTHING

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the helper is root"),
]
ROOT, STRANGER = 0, 4711
SERVERS = (ip_address("192.0.2.1"),)
OWN_NAME_SERVERS = "nameserver 192.0.2.53\n"
HARMLESS = ("OpenKey", "RotateKey", "VerifyDns", "RevertDns", "RecoverDns", "GetHostDns", "RemoveSocket", "OpenConfig")


def rules_of(root: Path) -> HelperRules:
    """Make the files of a host, and return the rules of its helper."""
    for name in ("etc", "journal", "run"):
        (root / name).mkdir(exist_ok=True)
    (root / "etc/resolv.conf").write_text(OWN_NAME_SERVERS)
    config = root / "etc/agent.toml"
    config.write_text("# root's\n")
    keys, owners = (str(root / "etc"),), frozenset((ROOT,))
    return HelperRules(keys, owners, config, root / "run/agent.sock", root / "journal", root)


@dataclass(frozen=True)
class Failing:
    """A request of an operation with a mistake in it."""


def _fail(_: HelperState, __: Failing) -> None:
    raise ZeroDivisionError("a mistake in an operation")


def answers_of(process: HelperProcess, *requests: bytes) -> list[dict[str, object]]:
    """Return what a helper answers to requests, one after the other."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    answers = []
    with near, far:
        for request in requests:
            near.send(request)
            assert process.answer(far)
            octets, descriptors, *_ = socket.recv_fds(near, 65_536, 1)
            for descriptor in descriptors:
                os.close(descriptor)
            answers.append(json.loads(octets))
    return answers


def test_a_mistake_in_an_operation_is_answered_and_the_next_request_is_served(tmp_path: Path) -> None:
    planted = operation_table(Operation(Failing, {}, _fail, NOTHING))
    process = HelperProcess(rules_of(tmp_path), {**HELPER_OPERATIONS, **planted})
    failed, served = answers_of(process, b'{"op":"Failing"}', b'{"op":"GetHostDns"}')
    assert failed["error"]["code"] == "helper.failed"  # type: ignore[index]
    assert served == {"answer": ["192.0.2.53"]}


@pytest.mark.parametrize(
    "request_",
    [
        b'{"op":"OpenKey","path":"/etc/\\udcff.key"}',
        b'{"op":"OpenKey\\ud800"}',
        b'{"op":"OpenKey","path":"/etc/a.key","\\udfff":1}',
        b'{"op":"GetHostDns","op":"OpenTun"}',
        b'{"op":["GetHostDns"]}',
        b'{"op":"VerifyDns","network":NaN}',
        b'{"op":"VerifyDns","network":"' + b"9" * 5000 + b'"}',
        b"[1]",
        b"\xff",
    ],
)
def test_text_that_no_path_can_be_is_refused_and_the_next_request_is_served(tmp_path: Path, request_: bytes) -> None:
    refused, served = answers_of(HelperProcess(rules_of(tmp_path)), request_, b'{"op":"GetHostDns"}')
    assert refused["error"]["code"] == "helper.refused"  # type: ignore[index]
    assert served == {"answer": ["192.0.2.53"]}


texts = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(("/etc/warren/a.key", "home", "prepare"))
values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | texts, st.lists, max_leaves=5)
requests = st.dictionaries(st.sampled_from(("path", "step", "network", "x")), values, max_size=4).flatmap(
    lambda members: st.sampled_from(HARMLESS).map(lambda op: json.dumps({"op": op, **members}).encode())
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests | st.binary(min_size=1, max_size=200))
def test_every_request_is_answered(tmp_path: Path, request_: bytes) -> None:
    (answer,) = answers_of(HelperProcess(rules_of(tmp_path)), request_)
    assert answer.keys() <= {"answer", "error"}
    assert len(answer) == 1


class FailingSocket(HelperSocket):
    """A helper whose own loop fails once a file beside its directory exists, as a mistake in it would."""

    def _wait(self) -> list[object]:
        if Path(self._listener.getsockname()).parent.with_name("ends").exists():
            raise ZeroDivisionError("a mistake in the loop")
        return super()._wait()


class Unit:
    """A helper in a process of its own, whose rules come from a function that may fail."""

    def __init__(self, root: Path, rules: Callable[[], ServiceRules], uid: int = ROOT) -> None:
        self.path, self.resolv_conf = root / "run/helper.sock", root / "etc/resolv.conf"
        listener = bind_helper(self.path, ROOT)
        self.pid = os.fork()
        if self.pid == 0:
            with suppress(BaseException):
                FailingSocket(listener, uid, rules, 600.0).serve()
            os._exit(0)
        listener.close()
        self.clients: list[HelperClient] = []

    def connect(self) -> HelperClient:
        """Connect as an agent does. Raises HostError."""
        client = connect_helper(self.path)
        assert client is not None
        self.clients.append(client)
        return client

    @property
    def has_own_name_servers(self) -> bool:
        return self.resolv_conf.read_text() == OWN_NAME_SERVERS

    def close(self) -> None:
        """End it."""
        for client in self.clients:
            client.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Unit]]:
    """Start a unit whose rules fail as a file says: `config` or `mistake`, else not."""
    rules, units = rules_of(tmp_path), list[Unit]()

    def read() -> ServiceRules:
        (tmp_path / "was-read").touch()
        match (tmp_path / "fails").read_text() if (tmp_path / "fails").exists() else "":
            case "config":
                raise ConfigError([Finding("[daemon]", "invalid", "expected another")], source="agent.toml")
            case "mistake":
                raise ZeroDivisionError("a mistake in a parser")
        return ServiceRules(ROOT, rules)

    def start_unit(uid: int = ROOT) -> Unit:
        units.append(Unit(tmp_path, read, uid))
        return units[-1]

    yield start_unit
    for unit in units:
        unit.close()


@pytest.mark.parametrize(("fails", "code"), [("config", "config.invalid"), ("mistake", "helper.failed")])
def test_an_invalid_configuration_refuses_one_client_and_the_next_is_served(
    start: Callable[..., Unit], tmp_path: Path, fails: str, code: str
) -> None:
    unit = start()
    (tmp_path / "fails").write_text(fails)
    with pytest.raises(HostError) as error:
        unit.connect()
    assert error.value.code == code
    (tmp_path / "fails").unlink()
    assert unit.connect().call(RECOVER_DNS, RecoverDns()) == ()


def test_clients_that_connect_with_an_invalid_configuration_leave_the_one_that_is_served(
    start: Callable[..., Unit], tmp_path: Path
) -> None:
    unit = start()
    served = unit.connect()
    served.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    (tmp_path / "fails").write_text("mistake")
    for _ in range(3):
        with pytest.raises(HostError):
            unit.connect()
    assert served.call(GET_HOST_DNS, GetHostDns()) == (ip_address("192.0.2.53"),)
    served.close()
    until(lambda: unit.has_own_name_servers, "the host has its own back")


def test_nothing_is_read_for_a_client_before_it_is_known_to_be_the_service_s(
    start: Callable[..., Unit], tmp_path: Path
) -> None:
    unit = start(uid=STRANGER)
    with pytest.raises(HostError, match=f"uid 0 may not use this helper, which serves uid {STRANGER}"):
        unit.connect()
    assert not (tmp_path / "was-read").exists()


def test_an_error_that_ends_the_helper_gives_the_host_its_own_back(start: Callable[..., Unit], tmp_path: Path) -> None:
    unit = start()
    served = unit.connect()
    served.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    assert not unit.has_own_name_servers
    (tmp_path / "ends").touch()
    with suppress(HostError):  # it may end before or after it has answered
        served.call(GET_HOST_DNS, GetHostDns())
    until(lambda: unit.has_own_name_servers, "the host has its own back")


def test_a_client_that_reads_no_answers_is_gone_soon(
    start: Callable[..., Unit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper_process, "ANSWER_TIMEOUT_SECONDS", 1)
    unit = start()
    client = unit.connect()
    client.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    client._connection.setblocking(False)

    def is_dropped() -> bool:
        with suppress(BlockingIOError):
            while True:
                try:
                    client._connection.send(b'{"op":"GetHostDns"}')
                except ConnectionError:
                    return True
        return False

    until(is_dropped, "it is dropped")
    until(lambda: unit.has_own_name_servers, "the host has its own back")
    assert unit.connect().call(RECOVER_DNS, RecoverDns()) == ()
