"""The quick start of document 000 as a service, with systemd as process 1 (H-71, H-74, H-80, H-88, H-91)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host
from warren._core import PrivateKey
from warren.config.defaults import PROGRAMS

from .systemd import Machine, office

pytestmark = IN_NAMESPACES
SERVERS = "nameserver 192.0.2.53\n"
NET_ADMIN, IPC_LOCK = 1 << 12, 1 << 14
CONFIG = """
[network.default]
enable_wireguard = true
interface = "wg0"
address = "10.42.0.2/32"
private_key_path = "{key}"
dns = ["10.100.0.2"]

[[network.peers]]
name = "runbeam-core"
public_key = "{peer}"
endpoint = "192.0.2.2:51820"
allowed_ips = ["10.42.0.0/16"]
"""


def machine(name: str, directory: Path) -> Iterator[Machine]:
    """After steps 1 and 2: key and configuration are root's."""
    with Host("node", directory) as host:
        made = Machine(host, name)
        made.types(f"wg genkey > /etc/{name}/private.key && chmod 600 /etc/{name}/private.key")
        configure(made, f"/etc/{name}/private.key")
        made.types("rm -f /etc/resolv.conf")
        made.writes("/etc/resolv.conf", SERVERS)
        yield made


def configure(made: Machine, key: str) -> None:
    path = PROGRAMS[made.name].config
    made.writes(path, CONFIG.format(key=key, peer=PrivateKey.generate().public_key()))
    made.types(f"chmod 640 {path}")


@pytest.fixture
def harmony(tmp_path: Path) -> Iterator[Machine]:
    yield from machine("harmony-agent", tmp_path)


@pytest.fixture
def warren(tmp_path: Path) -> Iterator[Machine]:
    yield from machine("warren", tmp_path)


def status(made: Machine, pid: int, name: str) -> str:
    """A line of what the kernel says of a process."""
    return made.types(f"grep ^{name}: /proc/{pid}/status").split(":")[1].strip()


def started(made: Machine) -> int:
    """The pid of the agent, once its unit is active."""
    made.starts(f"{made.name}-helper.socket", made.name)
    assert made.types(f"systemctl is-active {made.name}") == "active\n"
    return made.pid(made.name)


def test_the_quick_start_as_it_is_written(harmony: Machine) -> None:
    pid = started(harmony)
    uid = harmony.types("id -u harmony-agent").strip()
    assert status(harmony, pid, "Uid").split() == [uid] * 4
    assert int(status(harmony, pid, "CapEff"), 16) == NET_ADMIN | IPC_LOCK
    assert status(harmony, pid, "NoNewPrivs") == "1"
    until(lambda: harmony.attempts("harmony-agent status").returncode == 0, "it is connected")
    assert status(harmony, harmony.pid("harmony-agent-helper"), "Uid").split() == ["0"] * 4
    until(lambda: "10.100.0.2" in harmony.types("cat /etc/resolv.conf"), "its name server is there")
    harmony.types("systemctl reload harmony-agent")
    assert harmony.types("systemctl is-active harmony-agent") == "active\n"
    assert "agent.ready" in harmony.types("journalctl --unit harmony-agent --output cat")
    harmony.types("systemctl stop harmony-agent")
    assert harmony.types("cat /etc/resolv.conf") == SERVERS
    assert harmony.attempts("ip link show wg0").returncode != 0
    assert harmony.types("systemctl --failed --no-legend") == ""


def test_killed_it_is_started_again_and_nothing_is_left_in_its_way(warren: Machine) -> None:
    first = started(warren)
    until(lambda: "10.100.0.2" in warren.types("cat /etc/resolv.conf"), "its name server is there")
    warren.types("systemctl kill --signal KILL --kill-whom main warren")
    until(lambda: warren.pid("warren") not in (0, first), "it is started again")
    until(lambda: warren.attempts("warren status").returncode == 0, "it is connected")
    until(lambda: "10.100.0.2" in warren.types("cat /etc/resolv.conf"), "its name server is there")
    warren.types("systemctl stop warren")
    assert warren.types("cat /etc/resolv.conf") == SERVERS


@pytest.mark.security
def test_a_key_may_be_a_credential(harmony: Machine) -> None:
    """H-80: systemd opens it, as it would one that is sealed; the agent of the unit alone can read it."""
    harmony.types("rm /etc/systemd/system/harmony-agent-helper.socket")
    harmony.adds("harmony-agent", "LoadCredential=private.key:/etc/harmony-agent/private.key")
    configure(harmony, "/run/credentials/harmony-agent.service/private.key")
    harmony.types("chgrp harmony-agent /etc/harmony-agent/config.toml && systemctl daemon-reload")
    harmony.starts("harmony-agent")
    ended = ("active", "error")
    until(lambda: state(harmony) in ended, "it has read its key")
    assert state(harmony) == "active", harmony.types("harmony-agent list")


def state(made: Machine) -> str:
    """Of its network."""
    found: str = json.loads(made.types(f"{made.name} list --json"))["networks"][0]["state"]
    return found


TOKENS = """
[http]
port = 9099
token = "{directory}/read"
admin_token = "{directory}/change"
"""
FETCH = """
import sys, urllib.error, urllib.request
method, path, token = sys.argv[1], sys.argv[2], open(sys.argv[3]).read().strip()
request = urllib.request.Request(f"http://localhost:9099{path}", method=method)
request.add_header("Authorization", f"Bearer {token}")
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.mark.security
@pytest.mark.parametrize("directory", ["/var/lib/warren/http", "/etc/warren/tokens", "/etc/warren/made"])
def test_tokens_are_in_a_directory_of_the_agent_or_of_root(warren: Machine, directory: str) -> None:
    """The agent makes those in its own directory, and the helper those in a directory of root's, and the directory."""
    warren.types("mkdir -p /etc/warren/tokens")
    path = PROGRAMS["warren"].config
    warren.writes(path, TOKENS.format(directory=directory) + warren.types(f"cat {path}"))
    warren.writes("/run/fetch.py", FETCH)
    started(warren)
    until(lambda: warren.attempts(f"cat {directory}/read {directory}/change").returncode == 0, "there are tokens")
    stated = warren.types(f"stat --format '%a %U %G' {directory} {directory}/read {directory}/change").splitlines()
    owner = "root" if directory.startswith("/etc") else "warren"
    assert stated[0].startswith(f"755 {owner} ")
    assert stated[1:] == ["640 warren warren-read", "600 warren warren"]

    def fetched(method: str, path: str, token: str) -> str:
        return warren.types(f"{sys.executable} /run/fetch.py {method} {path} {directory}/{token}").strip()

    assert fetched("GET", "/peers", "read") == "200"
    assert fetched("POST", "/reload", "read") == "403"
    assert fetched("POST", "/reload", "change") == "200"
    assert warren.attempts(f"setpriv --reuid nobody --clear-groups cat {directory}/read").returncode != 0
    assert warren.types("systemctl --failed --no-legend") == ""


ASK = """
import asyncio, json, sys
from warren.commands.handlers.host import HostMetrics
print(json.dumps(asyncio.run(HostMetrics(30).states(tuple(sys.argv[1:])))))
"""


def test_signed_commands_are_told_what_systemd_says_of_services(warren: Machine) -> None:
    """`get_service_status` where systemd runs (G-39)."""
    warren.writes("/etc/systemd/system/broken.service", "[Service]\nExecStart=/bin/false\n")
    warren.writes("/etc/systemd/system/quiet.service", "[Service]\nExecStart=/bin/sleep 3600\n")
    warren.writes("/run/ask.py", ASK)
    warren.types("systemctl daemon-reload; systemctl start broken.service; true")
    until(lambda: warren.attempts("systemctl is-failed broken.service").returncode == 0, "it has failed")
    started(warren)

    def states() -> dict[str, str]:
        units = "warren warren-helper.socket quiet.service broken.service nowhere.service"
        found: dict[str, str] = json.loads(warren.types(f"{sys.executable} /run/ask.py {units}"))
        return found

    assert states() == {
        "warren": "active",
        "warren-helper.socket": "active",
        "quiet.service": "inactive",
        "broken.service": "failed",
        "nowhere.service": "unknown",
    }


SCRIPT = """#!/bin/sh
read -r password
echo "uid $(id -u) gid $(id -g) groups $(id -G) secret ${#password}"
grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
cat /proc/self/cgroup
ls -d /proc/[0-9]* | wc -l
"""
# Each of the four holds 24 MiB, less than is allowed to one, and all of them more than is allowed together.
GREEDY = """#!/bin/sh
for one in 1 2 3 4; do
    (head -c 25165824 /dev/zero | tail -c 25165824 | (sleep 5; cat > /dev/null)) &
done
wait
"""
COMMANDS = """
[security]
root = ["{root}"]
exec_enable = true

[scripts]
panel_create = "/etc/warren/scripts/create"
panel_delete = "/etc/warren/scripts/greedy"

[sandbox]
memory = "64m"
cmd_timeout_secs = 600
"""


@pytest.mark.security
def test_scripts_run_in_the_shipped_units_at_the_level_of_the_guide(warren: Machine) -> None:
    """With default settings: L3, with a limit for the memory of all processes (docs/guide/sandbox.md)."""
    warren.types("mkdir -p /etc/warren/scripts /etc/office")
    for name, text in (("create", SCRIPT), ("greedy", GREEDY)):
        warren.writes(f"/etc/warren/scripts/{name}", text)
    warren.types("chmod 755 /etc/warren/scripts/*")
    keys = office(warren, COMMANDS)
    started(warren)
    done = warren.commands(f"create_panel_user username=ada password {keys}", "correct-horse-9\n")
    assert (done["status"], done["error_code"], done["level"]) == ("SUCCESS", "NONE", "L3"), done
    who, capabilities, no_new_privs, seccomp, group, processes = str(done["stdout"]).splitlines()
    _, uid, _, gid, _, groups, _, secret = who.split()
    assert 61184 <= int(uid) <= 65519
    assert (gid, groups, secret) == (uid, uid, "15")
    assert [line.split()[1] for line in (capabilities, no_new_privs, seccomp)] == [f"{0:016x}", "1", "2"]
    assert "/warren-runner.service/warren-sandbox-" in group
    assert int(processes) < 8
    runner = warren.pid("warren-runner")
    assert status(warren, runner, "NoNewPrivs") == "1"
    greedy = warren.commands(f"delete_user username=ada {keys}")
    assert "137" in json.dumps(greedy), greedy
    assert warren.pid("warren-runner") == runner
    assert warren.types("systemctl --failed --no-legend") == ""
