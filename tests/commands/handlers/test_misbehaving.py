"""Programs that misbehave: each is contained, and nothing of it is left (V-58, V-59, V-61, V-65).

A rule for all of them stands in `Kept.run`: when a run has ended, no process that has its token is left on the host,
nor a directory of it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.commands.kept import HOSTS, STRANGER, TIMEOUT_SECONDS, Kept, kept, programs
from tests.commands.pipeline.bundles import put

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.needs("cc", "setpriv", "unshare")]

POLITE = (0, "1\n10\n2\n3\n4\n5\n6\n7\n8\n9\n")
SOON = 1.0  # a deadline for what never ends by itself


SECLUDED = [name for name, host in HOSTS.items() if host.is_secluded]


@pytest.fixture(scope="module", params=HOSTS)
def sandboxed(request: pytest.FixtureRequest) -> Iterator[Kept]:
    """On each kind of host."""
    with kept(HOSTS[request.param]) as found:
        yield found


@pytest.fixture(autouse=True)
def _at_first(sandboxed: Kept) -> None:
    sandboxed.settings, sandboxed.deadline, sandboxed.uid = {}, TIMEOUT_SECONDS, None


def test_level_is_the_one_that_the_host_reaches(sandboxed: Kept) -> None:
    assert sandboxed.run("polite")["level"] == sandboxed.host.level


@pytest.mark.parametrize("program", ["ignores_term", "oversleeper", "fork_bomb", "comet"])
def test_program_without_end_is_killed_at_its_deadline(sandboxed: Kept, program: str) -> None:
    sandboxed.deadline = SOON
    assert sandboxed.run(program)["code"] == "EXEC_TIMEOUT"


@pytest.mark.parametrize("program", ["fork_bomb", "zombie_maker", "memory_eater"])
def test_other_programs_run_on_beside_a_misbehaving_one(sandboxed: Kept, program: str) -> None:
    sandboxed.deadline = 5.0
    runs = programs(sandboxed.run_all([program], ["polite"]))
    assert (runs["polite"].get("rc"), runs["polite"].get("stdout")) == POLITE


def test_gibibyte_of_output_is_hashed_truncated_and_blocks_nobody(sandboxed: Kept) -> None:
    first, done = sandboxed.run_all(["talker"], ["polite"])
    assert (first["name"], first.get("rc"), first.get("stdout")) == ("polite", *POLITE)
    assert (done["rc"], done["truncated"], done["stdout_sha256"]) == (0, True, hash_of_a_gibibyte())
    assert len(done["stdout"]) < 66_000
    assert done["stdout"].endswith("[truncated: the first 65536 of 1073741824 octets]\n")


@cache
def hash_of_a_gibibyte() -> str:
    """Of zeros."""
    whole = hashlib.sha256()
    for _ in range(1024):
        whole.update(bytes(1 << 20))
    return whole.hexdigest()


def test_daemon_is_killed_with_its_program(sandboxed: Kept) -> None:
    assert sandboxed.run("daemon")["rc"] == 0


def test_program_cannot_write_outside_its_directories(sandboxed: Kept) -> None:
    open_to_all = sandboxed.directory / "open"
    open_to_all.mkdir(exist_ok=True)
    open_to_all.chmod(0o777)
    done = sandboxed.run("writes_outside", str(open_to_all), "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
    outside = [line for line in done["stdout"].splitlines() if line.startswith("outside: ")]
    private = {"outside: /tmp", "outside: /var/tmp", "outside: /dev/shm"} if sandboxed.host.is_secluded else set()
    assert set(outside) == private
    assert "own" in done["stdout"]
    for directory in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108
        assert not os.path.lexists(f"{directory}/warren-misbehaving")


def test_program_can_write_in_writable_directories(sandboxed: Kept) -> None:
    shared = sandboxed.directory / "shared"
    shared.mkdir(exist_ok=True)
    shared.chmod(0o777)
    sandboxed.settings = {"writable": [str(shared)]}
    assert f"outside: {shared}" in sandboxed.run("writes_outside", str(shared))["stdout"]
    assert stat.S_IMODE((shared / "warren-misbehaving").stat().st_mode) == 0o600
    (shared / "warren-misbehaving").unlink()


def test_missing_writable_directory_is_reported(sandboxed: Kept) -> None:
    sandboxed.settings = {"writable": [str(sandboxed.directory / "absent")]}
    assert (
        f"{sandboxed.directory / 'absent'}: cannot open a path of [sandbox] writable"
        in sandboxed.run("polite")["problem"]
    )


def test_program_gets_two_variables_three_streams_and_no_capability(sandboxed: Kept) -> None:
    done = sandboxed.run("looks_around")
    said = done["stdout"].splitlines()
    assert said[:2] == ["PATH=/usr/bin:/bin", "LC_ALL=C"]
    assert said[2:6] == ["fd 0", "fd 1", "fd 2", "fd 3"]
    assert "umask 0077" in said
    assert "core 0" in said
    assert "NoNewPrivs:\t1" in said
    assert {line for line in said if line.startswith(("CapPrm", "CapEff", "CapAmb"))} == {
        f"{name}:\t{0:016x}" for name in ("CapPrm", "CapEff", "CapAmb")
    }
    assert f"CapBnd:\t{0:016x}" in said
    assert "a secret" in said
    assert done["stderr_tail"] == "said\n"


def test_program_cannot_read_the_agents_environment(sandboxed: Kept) -> None:
    assert "WARREN_ZOO_SECRET" not in sandboxed.run("looks_around")["stdout"]


def test_program_cannot_read_the_agents_files(sandboxed: Kept) -> None:
    private = sandboxed.directory / "private"
    private.mkdir(exist_ok=True)
    key = put(private / "key", "secret", 0o600)
    done = sandboxed.run("reader", str(key))
    assert (done["rc"], done["stdout"]) == (1, "")
    assert "Permission denied" in done["stderr_tail"]


def test_program_cannot_trace_the_agent(sandboxed: Kept) -> None:
    assert sandboxed.run("tracer", "{pid}")["stdout"] == ""


def test_memory_is_limited(sandboxed: Kept) -> None:
    sandboxed.settings = {"memory_bytes": 64 << 20}
    assert 1 <= int(sandboxed.run("memory_eater")["stdout"]) < 64


def test_zombies_count_for_the_process_limit(sandboxed: Kept) -> None:
    sandboxed.settings = {"processes": 20}
    assert 1 <= int(sandboxed.run("zombie_maker")["stdout"]) <= 25


@pytest.mark.parametrize("sandboxed", SECLUDED, indirect=True)
def test_disk_usage_is_limited(sandboxed: Kept) -> None:
    sandboxed.settings = {"file_bytes": 32 << 20}
    assert 16 << 10 <= int(sandboxed.run("disk_filler")["stdout"]) <= 33 << 10


@pytest.mark.parametrize("network", [True, False])
def test_network_is_available_only_if_configured(sandboxed: Kept, network: bool) -> None:
    sandboxed.settings = {"network": network}
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = sandboxed.run("network_user", str(server.getsockname()[1]))
    if network:
        assert done["stdout"].startswith("connected\n")
    elif sandboxed.host.is_secluded:
        assert done["stdout"] == "refused\n1\n"
    else:
        assert done["code"] == "POLICY_DENIED"


def test_program_that_closes_its_streams_is_waited_for(sandboxed: Kept) -> None:
    done = sandboxed.run("closes_stdout")
    assert (done["rc"], done["stdout"]) == (7, "last\n")


def test_level_below_the_minimum_is_rejected(sandboxed: Kept) -> None:
    sandboxed.settings = {"min_level": "L3"}
    done: dict[str, Any] = sandboxed.run("polite")
    assert (done.get("level", "L1"), done.get("code")) == (
        ("L3", None) if sandboxed.host.level == "L3" else ("L1", "POLICY_DENIED")
    )


def test_agent_that_is_not_root_runs_no_program(sandboxed: Kept) -> None:
    """It would be the agent's own user, whose keys and sockets no sandbox keeps from it."""
    sandboxed.uid = STRANGER
    done = sandboxed.run("polite")
    assert done["problem"].startswith("programs cannot run on this host: only root can run a program as another user")
