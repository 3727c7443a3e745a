"""The helper as a unit of its own: whom it serves, one at a time, and when it ends."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.netns.deadline import until
from warren.errors import HostError
from warren.privsep.io.helper_client import HelperClient, connect_helper
from warren.privsep.io.helper_socket import HelperSocket, ServiceRules, adopt_helper, bind_helper
from warren.privsep.io.helper_state import HelperRules
from warren.privsep.io.operations.config_file import OPEN_CONFIG, OpenConfig
from warren.privsep.io.operations.dns import APPLY_DNS, GET_HOST_DNS, RECOVER_DNS, ApplyDns, GetHostDns, RecoverDns

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the helper is root"),
]
ROOT, STRANGER = 0, 4711
SERVERS = (ip_address("192.0.2.1"),)
OWN_NAME_SERVERS = "nameserver 192.0.2.53\n"
LONG_SECONDS, SHORT_SECONDS = 600.0, 0.1


class Unit:
    """A helper in a process of its own, for files below a directory."""

    def __init__(self, root: Path, uid: int = ROOT, idle_seconds: float = LONG_SECONDS) -> None:
        self.path, self.resolv_conf = root / "run/helper.sock", root / "etc/resolv.conf"
        for name in ("etc", "journal", "run"):
            (root / name).mkdir(exist_ok=True)
        self.resolv_conf.write_text(OWN_NAME_SERVERS)
        config = root / "etc/agent.toml"
        config.write_text("# root's\n")
        rules = HelperRules(
            (str(root / "etc"),), frozenset((ROOT,)), config, root / "run/agent.sock", root / "journal", root
        )
        self.listener = bind_helper(self.path, ROOT)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                HelperSocket(self.listener, uid, lambda: ServiceRules(uid, rules), idle_seconds).serve()
            finally:
                os._exit(0)
        self.listener.close()
        self.status: int | None = None
        self.helpers: list[HelperClient] = []

    def connect(self) -> HelperClient:
        """As an agent does."""
        helper = connect_helper(self.path)
        assert helper is not None
        self.helpers.append(helper)
        return helper

    def has_ended(self) -> bool:
        """Whether it has, by itself."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def close(self) -> None:
        for helper in self.helpers:
            helper.close()
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


def test_helper_performs_operations_and_reverts_them_when_agent_exits(make: MakeUnit) -> None:
    unit = make()
    helper = unit.connect()
    assert helper.call(GET_HOST_DNS, GetHostDns()) == (ip_address("192.0.2.53"),)
    os.close(helper.call(OPEN_CONFIG, OpenConfig()))
    helper.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    assert "nameserver 192.0.2.1\n" in unit.resolv_conf.read_text()
    helper.close()
    until(lambda: unit.resolv_conf.read_text() == OWN_NAME_SERVERS, "the host has its own back")


def test_one_agent_at_a_time(make: MakeUnit) -> None:
    unit = make()
    first = unit.connect()
    with pytest.raises(HostError, match=f"already serves pid {os.getpid()}") as busy:
        unit.connect()
    assert busy.value.code == "helper.busy"
    assert first.call(RECOVER_DNS, RecoverDns()) == ()
    first.close()
    assert unit.connect().call(RECOVER_DNS, RecoverDns()) == ()


def test_another_user_is_refused(make: MakeUnit) -> None:
    unit = make(uid=STRANGER)
    with pytest.raises(HostError, match="uid 0 may not use this helper") as denied:
        unit.connect()
    assert denied.value.code == "helper.denied"


def test_it_ends_when_nobody_wants_it(make: MakeUnit) -> None:
    unit = make(idle_seconds=SHORT_SECONDS)
    until(unit.has_ended, "it has ended")
    assert unit.status == 0
    assert connect_helper(unit.path) is None


def test_it_does_not_end_while_there_is_an_agent(make: MakeUnit) -> None:
    unit = make(idle_seconds=SHORT_SECONDS)
    helper = unit.connect()
    signal.sigtimedwait([], 10 * SHORT_SECONDS)
    assert helper.call(RECOVER_DNS, RecoverDns()) == ()
    helper.close()
    until(unit.has_ended, "it has ended")


def test_told_to_end_it_leaves_nothing_to_be_undone(make: MakeUnit) -> None:
    unit = make()
    helper = unit.connect()
    helper.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    os.kill(unit.pid, signal.SIGTERM)
    until(unit.has_ended, "it has ended")
    assert unit.resolv_conf.read_text() == OWN_NAME_SERVERS
    with pytest.raises(HostError, match="the helper has exited"):
        helper.call(RECOVER_DNS, RecoverDns())


def test_where_nobody_listens_there_is_none(tmp_path: Path) -> None:
    assert connect_helper(tmp_path / "absent.sock") is None
    bind_helper(tmp_path / "left.sock", ROOT).close()
    assert connect_helper(tmp_path / "left.sock") is None


def test_a_socket_that_was_left_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    bind_helper(tmp_path / "helper.sock", ROOT).close()
    with bind_helper(tmp_path / "helper.sock", ROOT), pytest.raises(HostError, match="a helper already listens at"):
        bind_helper(tmp_path / "helper.sock", ROOT)


def test_what_the_service_manager_holds_must_be_a_socket_of_seqpackets(tmp_path: Path) -> None:
    with bind_helper(tmp_path / "helper.sock", ROOT) as listener, adopt_helper(os.dup(listener.fileno())) as adopted:
        assert adopted.getsockname() == listener.getsockname()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream,
        pytest.raises(HostError, match="ListenSequentialPacket="),
    ):
        adopt_helper(stream.fileno())
