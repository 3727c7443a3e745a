"""An agent that root does not start, and `helper` as the service manager starts it: when the agent connects (H-71)."""

from __future__ import annotations

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.project.conftest import ROOT

from .agent import USER
from .test_capabilities import AS_SERVICE, PROGRAM, SETCAP, answers, capabilities, started
from .test_privileges import IPC_LOCK, NET_ADMIN
from .user import START, User

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.security,
    pytest.mark.needs("setcap", "sudo", "systemd-tmpfiles", "systemd-socket-activate"),
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
SOCKET = "/run/harmony-agent/helper.sock"
ACTIVATE = f"systemd-socket-activate --seqpacket --listen {SOCKET} {PROGRAM} helper"
SERVERS = "nameserver 192.0.2.53\n"


@pytest.fixture
def service(user: User) -> User:
    """Steps 1 and 2 of the quick start as they are written: key and configuration are root's."""
    user.types(f"systemd-tmpfiles --create {ROOT}/deploy/tmpfiles.d/harmony-agent.conf")
    user.types(f"chgrp harmony-agent {PROGRAM} && chmod 750 {PROGRAM} && {SETCAP}")
    user.types("rm /etc/resolv.conf")
    user.writes("/etc/resolv.conf", SERVERS)
    return user


@pytest.fixture
def activated(service: User) -> User:
    """The service manager listens."""
    service.leaves_running(ACTIVATE)
    until(lambda: service.host.path(SOCKET).exists(), "it listens")
    service.types(f"chmod 666 {SOCKET}")
    return service


def helper(user: User) -> int:
    """Its pid, or 0 where there is none."""
    words = "pgrep -x warren-helper"
    return int(user.attempts(words).stdout or 0)


def test_it_is_started_by_the_agent_which_reads_root_s_files_by_it(activated: User) -> None:
    assert helper(activated) == 0
    pid = started(activated)
    assert helper(activated) != 0
    assert capabilities(activated, pid)["CapPrm"] == NET_ADMIN | IPC_LOCK
    key, config = (activated.host.path(f"/etc/harmony-agent/{name}").stat() for name in ("private.key", "config.toml"))
    assert (key.st_uid, key.st_mode & 0o777, config.st_uid, config.st_gid) == (0, 0o600, 0, 0)
    until(lambda: activated.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "10.42.0.1 answers")
    until(lambda: "10.100.0.2" in activated.types("cat /etc/resolv.conf"), "its name server is there")
    activated.types("harmony-agent reload")
    activated.types("harmony-agent stop")
    until(lambda: activated.types("cat /etc/resolv.conf") == SERVERS, "the host has its own back")


def test_of_an_agent_that_was_killed_it_undoes_what_needs_root_and_serves_the_next(activated: User) -> None:
    pid = started(activated)
    until(lambda: "10.100.0.2" in activated.types("cat /etc/resolv.conf"), "its name server is there")
    activated.host.kill(pid)
    until(lambda: activated.types("cat /etc/resolv.conf") == SERVERS, "the host has its own back")
    first = helper(activated)
    started(activated)
    assert helper(activated) == first
    until(lambda: "10.100.0.2" in activated.types("cat /etc/resolv.conf"), "its name server is there again")


def test_tunnels_outlive_it_and_health_says_so(activated: User) -> None:
    started(activated)
    until(lambda: activated.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "10.42.0.1 answers")
    activated.host.kill(helper(activated))
    until(lambda: "helper.ended" in activated.types("curl -s http://localhost:9090/healthz"), "it is a condition")
    activated.types("ping -c 1 -W 1 10.42.0.1")


def test_it_listens_by_itself_where_nobody_does_it_for_it(service: User) -> None:
    service.leaves_running(f"{PROGRAM} helper")
    until(lambda: service.host.path(SOCKET).exists(), "it listens")
    started(service)
    service.types("harmony-agent stop")
    until(lambda: not answers(service), "the agent has gone")
    service.host.kill(helper(service), "TERM")
    until(lambda: not service.host.path(SOCKET).exists(), "its socket has gone")


def test_a_configuration_that_root_has_not_written_starts_no_helper(service: User) -> None:
    service.types("chown harmony-agent /etc/harmony-agent/config.toml")
    refused = service.attempts(f"{PROGRAM} helper")
    assert refused.returncode == 1
    assert "config.toml is owned by an untrusted user" in refused.stderr
    service.types("chown root /etc/harmony-agent/config.toml && chown harmony-agent /etc/harmony-agent")
    assert "is owned by an untrusted user" in service.attempts(f"{PROGRAM} helper").stderr


def test_another_user_has_none(activated: User) -> None:
    """The socket of a unit is closed to others by its mode; here the helper itself says so."""
    activated.types("useradd --system --groups harmony-agent stranger && chgrp harmony-agent /etc/harmony-agent/*")
    refused = activated.attempts(f"sudo -u stranger {START}")
    assert refused.returncode == 1
    assert "may not use this helper" in refused.stderr
    assert activated.attempts(f"{AS_SERVICE} harmony-agent helper").stderr.startswith(
        "harmony-agent: the helper must run as root"
    )
