"""Started by a user with the capabilities of its file alone (H-75, H-76): no root, no helper."""

from __future__ import annotations

import json
import stat

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.project.conftest import ROOT

from .agent import USER
from .test_privileges import IPC_LOCK, NET_ADMIN, OPEN_TUN
from .user import START, User

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.security,
    pytest.mark.needs("getcap", "setcap", "sudo", "systemd-tmpfiles"),
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
PROGRAM = "/usr/local/bin/harmony-agent"
SETCAP = f"setcap cap_net_admin,cap_ipc_lock=+eip {PROGRAM}"  # document 000, "Memory Locking"
AS_SERVICE = "sudo -u harmony-agent"
EVIL = "open('/run/evil/was-run', 'w')"


@pytest.fixture
def service(user: User) -> User:
    """What root does once for an agent that it will not start."""
    user.types(f"systemd-tmpfiles --create {ROOT}/deploy/tmpfiles.d/harmony-agent.conf")
    user.types(OPEN_TUN)
    user.types(f"chown root:harmony-agent {PROGRAM} && chmod 750 {PROGRAM} && {SETCAP}")
    user.types("chown harmony-agent /etc/harmony-agent/private.key")
    user.types("chgrp harmony-agent /etc/harmony-agent/config.toml")
    return user


@pytest.fixture
def stranger(service: User) -> User:
    """There is somebody else, in the service's group and so with leave to start it."""
    service.types("useradd --system --groups harmony-agent stranger")
    service.types("install -d -o stranger /run/evil")
    return service


def started(user: User, line: str = f"{AS_SERVICE} {START}") -> int:
    """The pid of the agent, once it answers."""
    process = user.leaves_running(line)
    until(lambda: process.poll() is not None or answers(user), "it answers")
    assert process.poll() is None, user.host.log()
    return agent(user)


def answers(user: User) -> bool:
    return user.attempts(f"{AS_SERVICE} harmony-agent info").returncode == 0


def agent(user: User) -> int:
    """Its pid."""
    return int(json.loads(user.types(f"{AS_SERVICE} harmony-agent info --json"))["pid"])


def capabilities(user: User, pid: int | str) -> dict[str, int]:
    lines = user.types(f"grep Cap /proc/{pid}/status").splitlines()
    return {name: int(bits, 16) for name, bits in (line.split(":\t") for line in lines)}


def test_the_line_of_the_document_and_no_root(service: User) -> None:
    assert f"{PROGRAM} cap_net_admin,cap_ipc_lock=eip" in service.types(f"getcap {PROGRAM}")
    assert service.host.path(PROGRAM).read_bytes()[:4] == b"\x7fELF"
    pid = started(service)
    uid = service.types("id -u harmony-agent").strip()
    assert service.types(f"grep Uid /proc/{pid}/status").split()[1:] == [uid] * 4
    found = capabilities(service, pid)
    assert found["CapEff"] == found["CapPrm"] == NET_ADMIN | IPC_LOCK
    assert found["CapInh"] == found["CapAmb"] == 0
    until(lambda: service.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "10.42.0.1 answers")
    socket = service.host.path("/run/harmony-agent/agent.sock").stat()
    assert (stat.S_IMODE(socket.st_mode), socket.st_uid) == (0o660, int(uid))
    assert service.asks('{"id":"2","action":"status","network":"default"}')["success"]
    assert int(service.types(f"grep VmLck /proc/{pid}/status").split()[1]) > 0, "keys are locked into memory"


def test_what_then_takes_root_is_said(service: User) -> None:
    """Name servers and root's keys; tunnels do not wait for them."""
    started(service)
    service.types("wg genkey > /etc/harmony-agent/root.key && chmod 600 /etc/harmony-agent/root.key")
    text = service.types("cat /etc/harmony-agent/config.toml")
    service.writes("/etc/harmony-agent/config.toml", text.replace("private.key", "root.key"))
    refused = service.attempts(f"{AS_SERVICE} harmony-agent reload")
    assert refused.returncode == 1
    assert "/etc/harmony-agent/root.key: Permission denied" in refused.stderr
    assert "chown" in refused.stderr
    assert "10.100.0.2" not in service.types("cat /etc/resolv.conf")


def test_every_other_command_has_none(service: User) -> None:
    """Python shows what it has."""
    shown = "/run/shown/lib/warren/bin"
    service.types(f"mkdir -p {shown} /run/shown/bin && cp {PROGRAM} /run/shown/bin/ && chmod 755 /run/shown/bin/*")
    service.writes(f"{shown}/python3", "#!/bin/sh\ngrep -E 'Cap|NoNew' /proc/self/status\n")
    service.types(f"chmod 755 {shown}/python3 && setcap cap_net_admin,cap_ipc_lock=+eip /run/shown/bin/harmony-agent")
    for line, bits in (("start", NET_ADMIN | IPC_LOCK), ("status", 0), ("version", 0), ("status start", 0), ("", 0)):
        said = service.types(f"{AS_SERVICE} /run/shown/bin/harmony-agent {line}")
        found = dict(each.split(":\t") for each in said.splitlines())
        assert found["NoNewPrivs"] == "1"
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(found[kind], 16) == bits, (line, kind)


def test_what_the_caller_chose_is_not_run(service: User) -> None:
    service.types("install -d -o harmony-agent /run/evil")
    for name in ("warren", "click", "sitecustomize"):
        service.writes(f"/run/evil/{name}.py", EVIL)
    evil = "PYTHONPATH=/run/evil PYTHONHOME=/run/evil LD_PRELOAD=/run/evil/x.so PATH=/run/evil WARREN_ODD=1"
    pid = started(service, f"{AS_SERVICE} env {evil} {PROGRAM} start")
    assert not service.host.path("/run/evil/was-run").exists()
    environment = service.host.path(f"/proc/{pid}/environ").read_text()
    assert "evil" not in environment
    assert "WARREN_ODD" not in environment


def test_a_configuration_of_another_s_is_refused(stranger: User) -> None:
    """H-76: whoever may execute the file may start what root and the service's user wrote, and nothing else."""
    stranger.types("cp /etc/harmony-agent/config.toml /run/evil/ && chown stranger /run/evil/config.toml")
    refused = stranger.attempts(f"sudo -u stranger {PROGRAM} start --config /run/evil/config.toml")
    assert refused.returncode == 1
    assert "/run/evil/config.toml is owned by an untrusted user" in refused.stderr
    elsewhere = stranger.attempts(f"sudo -u stranger {PROGRAM} start --root /run/evil")
    assert "--root is not allowed with file capabilities" in elsewhere.stderr


def test_an_installation_that_others_can_write_gets_no_capabilities(stranger: User) -> None:
    stranger.types("mkdir -p /run/evil/bin /run/evil/lib/warren/bin")
    stranger.types(f"cp -a {PROGRAM} /run/evil/bin/ && {SETCAP.replace('/usr/local', '/run/evil')}")
    stranger.writes("/run/evil/lib/warren/bin/python3", "#!/bin/sh\ntouch /run/evil/was-run\n")
    stranger.types("chmod 755 /run/evil/lib/warren/bin/python3")
    refused = stranger.attempts("sudo -u stranger /run/evil/bin/harmony-agent start")
    assert refused.returncode == 1
    assert "/run/evil: it is writable by users other than root" in refused.stderr
    assert not stranger.host.path("/run/evil/was-run").exists()


def test_a_launcher_with_the_set_uid_bit_refuses(service: User) -> None:
    service.types(f"chmod 4755 {PROGRAM}")
    refused = service.attempts(f"{AS_SERVICE} {PROGRAM} start")
    assert refused.returncode == 1
    assert "setuid or setgid; use setcap" in refused.stderr


def test_without_them_the_error_names_one_and_the_line(user: User) -> None:
    """H-78, with the document's own words: the line works as it is printed."""
    user.types("chmod 644 /etc/harmony-agent/config.toml")
    refused = user.attempts(f"sudo -u nobody {START}")
    assert refused.returncode == 1
    assert "cap_net_admin" in refused.stderr
    assert f"setcap cap_net_admin,cap_ipc_lock=+eip {PROGRAM}" in refused.stderr
