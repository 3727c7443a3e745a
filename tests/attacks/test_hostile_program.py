"""A hostile program, run as a command's script: it tries whatever would reach beyond its sandbox (issue F3, F4, F5).

`hostile.c` makes each attempt in a process of its own and tells what came of it.
"""

from __future__ import annotations

import errno
import grp
import platform
import pwd
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.commands.kept import HOSTS, kept
from tests.commands.pipeline.bundles import put
from warren.agent.config import load_config
from warren.commands.handlers.dynamic_user import chosen
from warren.config.defaults import HARMONY_AGENT, WARREN, Defaults
from warren.errors import ConfigError, HostError

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.needs("cc", "setpriv")]

SOURCE = Path(__file__).with_name("hostile.c")
SIGNAL = f"signal {signal.SIGSYS.value}"
X86 = platform.machine() == "x86_64"

NAMESPACES = ("clone_user", "clone_mount", "clone_all", "unshare_user", "unshare_time", "unshare_net", "clone3_user")
MOUNTS = (
    *("enter_namespace", "mount_tmpfs", "unmount", "pivot", "change_root", "open_mount", "make_mount", "copy_mount"),
    *("move_a_mount", "change_mount"),
)
KERNEL = (
    *("ring", "bpf_map", "perf", "fault_descriptor", "load_kernel", "load_module", "load_module_file"),
    *("unload_module", "kernel_log", "watch_files"),
)
KEYS = ("session_keyring", "new_key", "ask_for_key")
PROCESSES = ("trace", "read_memory", "write_memory", "take_descriptor", "compare")
HANDLES = ("open_by_handle", "handle_of")
MODES = (
    *("setuid_fchmod", "setgid_fchmod", "setuid_fchmodat", "setuid_fchmodat2", "setuid_openat", "setgid_openat"),
    *("setuid_unnamed", "setuid_openat2", "setuid_mknodat"),
    *(("setuid_chmod", "setgid_chmod", "setuid_open", "setuid_creat", "setuid_mknod") if X86 else ()),
)
SOCKETS = (
    *("crypto_socket", "hypervisor_socket", "packet_socket", "bluetooth_socket"),
    *("cluster_pair", "crypto_pair", "hypervisor_pair"),
)
MEMORY = ("memory_file", "secret_memory", "segment", "semaphores", "messages")
DENIED = (*NAMESPACES, *MOUNTS, *KERNEL, *KEYS, *PROCESSES, *HANDLES, *MODES, *SOCKETS, *MEMORY)
FOREIGN = {
    "change_mode": errno.EPERM,
    "change_owner": errno.EPERM,
    "change_times": errno.EPERM,
    "read_key": errno.EACCES,
    "connect_socket": errno.EACCES,
}
ALLOWED = (
    *("start_thread", "start_process", "internet_socket", "internet6_socket", "local_socket", "local_pair"),
    *("netlink_socket", "plain_chmod", "plain_open", "open_without_mode"),
)
FILTERED = [name for name, host in HOSTS.items() if host.level != "L0"]

Attempts = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def attempts() -> Attempts:
    """What came of each attempt, by the name of the host."""
    return {name: dict(_attempts_on(name)) for name in FILTERED}


def _attempts_on(name: str) -> Iterator[tuple[str, str]]:
    with kept(HOSTS[name]) as sandboxed:
        _compile(sandboxed.directory / "hostile")
        roots = sandboxed.directory / "roots"
        roots.mkdir()
        put(roots / "file", "", 0o644)
        put(roots / "key", "secret", 0o600)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(roots / "socket"))
            (roots / "socket").chmod(0o660)
            listener.listen()
            done = sandboxed.run("hostile", str(roots))
    assert done.get("rc") == 0, done
    for line in done["stdout"].splitlines():
        attempt, _, outcome = line.partition(" ")
        yield attempt, outcome


def _compile(goal: Path) -> None:
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-pthread", "-o", str(goal), str(SOURCE), "-lrt"], check=True)
    goal.chmod(0o755)


@pytest.mark.parametrize("host", FILTERED)
def test_system_calls_that_leave_the_sandbox_answer_as_if_the_kernel_lacked_them(attempts: Attempts, host: str) -> None:
    outcomes = {name: attempts[host][name] for name in DENIED}
    assert outcomes == dict.fromkeys(DENIED, str(errno.ENOSYS))


@pytest.mark.parametrize("host", FILTERED)
def test_posix_queues_exist_only_in_a_namespace_of_their_own(attempts: Attempts, host: str) -> None:
    # In a namespace Landlock denies to create one, where the kernel has Landlock.
    expected = {0, errno.EACCES} if HOSTS[host].is_secluded else {errno.ENOSYS}
    assert int(attempts[host]["queue"]) in expected


@pytest.mark.parametrize("host", FILTERED)
@pytest.mark.skipif(not X86, reason="other architectures have one convention")
def test_calls_of_another_architecture_kill_the_program(attempts: Attempts, host: str) -> None:
    assert attempts[host]["as_x32"] == SIGNAL
    # A kernel without the convention kills it for the instruction.
    assert attempts[host]["as_i386"] in (SIGNAL, f"signal {signal.SIGSEGV.value}")


@pytest.mark.parametrize("host", FILTERED)
def test_files_and_sockets_of_root_stay_as_they_are(attempts: Attempts, host: str) -> None:
    outcomes = {name: attempts[host][name] for name in FOREIGN}
    assert outcomes == {name: str(number) for name, number in FOREIGN.items()}


@pytest.mark.parametrize("host", FILTERED)
def test_ordinary_calls_work(attempts: Attempts, host: str) -> None:
    assert {name: attempts[host][name] for name in ALLOWED} == dict.fromkeys(ALLOWED, "0")


def test_every_attempt_is_judged(attempts: Attempts) -> None:
    judged = {*DENIED, *FOREIGN, *ALLOWED, "queue", *(("as_x32", "as_i386") if X86 else ())}
    assert {*attempts["root"]} == judged


SEGMENT = """#!/usr/bin/python3
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(os.getuid(), libc.shmget(0, 4096, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600))
open("/dev/shm/warren-hostile", "w").close()
"""


def test_ipc_objects_do_not_outlive_the_program() -> None:
    """Where neither a namespace nor a filter can be had."""
    with kept(HOSTS["root-without-filter"]) as sandboxed:
        put(sandboxed.directory / "segment", SEGMENT, 0o755)
        done = sandboxed.run("segment")
    uid, *made = done["stdout"].split()
    assert len(made) == 3, done
    assert "-1" not in made
    assert [line for line in _ipc_objects() if uid in line.split()] == []
    assert not Path("/dev/shm/warren-hostile").exists()  # noqa: S108, of the library


def _ipc_objects() -> list[str]:
    """What this host's tables say of each object."""
    return [line for kind in ("shm", "sem", "msg") for line in Path("/proc/sysvipc", kind).read_text().splitlines()[1:]]


def test_program_without_a_filter_does_not_reach_the_default_level() -> None:
    with kept(HOSTS["root-without-filter"]) as sandboxed:
        sandboxed.settings = {"min_level": "L1"}
        done = sandboxed.run("polite")
    assert done["code"] == "POLICY_DENIED"
    assert "sandbox level L0 is available here; L1 is required" in done["problem"]


KEYRING = """#!/bin/sh
cat /proc/keys
"""


@pytest.mark.skipif(not Path("/proc/keys").exists(), reason="a kernel without keyrings")
@pytest.mark.parametrize("host", HOSTS)
def test_session_keyring_of_the_agent_is_out_of_reach(host: str) -> None:
    """A key that whoever started the agent holds is none of the program's."""
    with kept(HOSTS[host]) as sandboxed:
        put(sandboxed.directory / "keys", KEYRING, 0o755)
        sandboxed.holds_key = True
        done = sandboxed.run("keys")
    assert done["rc"] == 0, done
    assert "keyring" in done["stdout"], "the program has a session keyring"
    assert "warren-held-key" not in done["stdout"]


def test_host_without_a_filter_or_a_namespace_is_reported_as_l0() -> None:
    with kept(HOSTS["root-without-filter"]) as sandboxed:
        assert sandboxed.run("polite")["level"] == "L0"


CONFIG = """
[daemon]
user = "warren"

[sandbox]
user = "{user}"
"""


@pytest.mark.parametrize("user", ["root", "warren"])
def test_configuration_refuses_the_users_of_root_and_of_the_agent(user: str) -> None:
    with pytest.raises(ConfigError, match="scripts cannot run as") as refused:
        load_config(CONFIG.format(user=user), "agent.toml", WARREN)
    assert [finding.key for finding in refused.value.findings] == ["sandbox.user"]


@pytest.mark.root
@pytest.mark.parametrize(
    ("user", "agent"),
    [
        pytest.param("root", "bin", id="root"),
        pytest.param("bin", "bin", id="agent"),
        pytest.param("sync", "nobody", id="group-of-the-agent"),
    ],
)
def test_user_that_shares_an_identity_with_root_or_the_agent_is_refused(tmp_path: Path, user: str, agent: str) -> None:
    """Whatever the name: another name of the same number is refused as well."""
    with pytest.raises(HostError, match=f"scripts cannot run as {user}") as refused, chosen(user, tmp_path, agent):
        pass
    assert refused.value.code == "sandbox.forbidden_user"


@pytest.mark.root
def test_user_that_controls_the_agent_is_refused(tmp_path: Path) -> None:
    """A script of theirs could let the agent do whatever an administrator may: the group decides, not the name."""
    member = pwd.getpwnam("daemon")
    group = grp.getgrgid(member.pw_gid).gr_name
    with pytest.raises(HostError, match="those who control it"), chosen("daemon", tmp_path, "nobody", group):
        pass
    with chosen("daemon", tmp_path, "nobody", "no-such-group") as run_as:
        assert run_as.uid == member.pw_uid


@pytest.mark.parametrize(
    ("defaults", "text", "group"),
    [
        (WARREN, "", "warren-admin"),
        (WARREN, '[daemon]\ngroup = "readers"\n', "warren-admin"),
        (HARMONY_AGENT, '[daemon]\ngroup = "operators"\n', "operators"),
    ],
)
def test_group_that_controls_the_agent_is_that_of_its_control_socket(defaults: Defaults, text: str, group: str) -> None:
    assert load_config(text, "agent.toml", defaults).commands.admin_group == group
