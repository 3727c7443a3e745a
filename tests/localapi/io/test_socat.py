"""Document 000's own commands, with the socat that its readers have (H-27, H-28, H-31, H-40)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.localapi.simulator import SimulatedNetworks, config
from tests.project.conftest import ROOT
from tests.tunnel.strategies import PUBLIC_KEYS
from warren.files.unix_listener import listen
from warren.local_client import Group
from warren.localapi.permissions import Permissions

from .served import TIMEOUT_SECONDS, Answer, outcome, served

pytestmark = [pytest.mark.integration, pytest.mark.needs("socat")]

SOCKET = "/var/run/harmony-agent.sock"
COMMANDS = """
# Connect network
echo '{"id":"1","action":"connect","network":"default"}' | \\
  socat - UNIX-CONNECT:/var/run/harmony-agent.sock

# Get status
echo '{"id":"2","action":"status","network":"default"}' | \\
  socat - UNIX-CONNECT:/var/run/harmony-agent.sock

# Disconnect
echo '{"id":"3","action":"disconnect","network":"default"}' | \\
  socat - UNIX-CONNECT:/var/run/harmony-agent.sock
"""
SAMPLE = """{
  "id": "req-123",
  "action": "connect",
  "network": "default",
  "config": {
    "interface": "wg0",
    "mtu": 1420,
    "privateKeyPath": "/etc/harmony-agent/private.key",
    "dns": ["10.100.0.2"],
    "peers": [
      {
        "name": "peer1",
        "publicKey": "base64key=",
        "endpoint": "vpn.example.com:51820",
        "allowedIps": ["10.42.0.0/16"],
        "keepaliveSecs": 25
      }
    ]
  }
}"""


def wordings(ours: str, pattern: str) -> list[str]:
    """What we have of the document, and what it says itself where it is at hand."""
    found = (ROOT.parent / "shared" / "seeds").glob("000_*.txt")
    return [ours, *(block for path in found for block in re.findall(pattern, path.read_text(), re.DOTALL))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the agent of a test listens."""
    return tmp_path / "agent.sock"


def socat(path: Path, octets: str, **options: object) -> list[Answer]:
    """What socat prints when it is given these on its standard input."""
    done = subprocess.run(
        ["socat", "-", f"UNIX-CONNECT:{path}"],
        input=octets,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
        **options,  # type: ignore[call-overload] # as they are handed on
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def shell(path: Path, commands: str) -> list[Answer]:
    """What these commands of the document print, with the socket where it is here."""
    script = commands.replace(SOCKET, str(path))
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("commands", wordings(COMMANDS, r"```bash\n(# Connect network\n.*?)```"))
def test_socat_connects_queries_and_disconnects(commands: str, path: Path) -> None:
    with served(path, SimulatedNetworks(config())):
        connected, status, disconnected = shell(path, commands)
    assert connected == {
        "id": "1",
        "success": True,
        "data": {"network": "default", "state": "active", "interface": "wg0", "peers": 2},
    }
    assert outcome(status) == ("2", True)
    assert disconnected == {"id": "3", "success": True, "data": {"network": "default", "state": "stopped"}}


@pytest.mark.parametrize("sample", wordings(SAMPLE, r'```json\n(\{\n  "id".*?\n\})\n```'))
def test_request_over_many_lines_may_end_with_the_input(sample: str, path: Path) -> None:
    networks = SimulatedNetworks()
    with served(path, networks):
        (refused,) = socat(path, sample)
        (connected,) = socat(path, sample.replace("base64key=", str(PUBLIC_KEYS[0])))
    assert outcome(refused) == ("req-123", "config_error")
    assert "config.peers[0].publicKey" in str(refused["error"])
    state = {"network": "default", "state": "active", "interface": "wg0", "peers": 1}
    assert connected == {"id": "req-123", "success": True, "data": state}
    assert networks.view("default").sample.origin == "control"


def test_slow_connect_is_answered_before_socat_disconnects(path: Path) -> None:
    with served(path, SimulatedNetworks(config(), stuck=["default"])):
        (connected,) = shell(path, COMMANDS.split("\n\n", maxsplit=1)[0])
        assert connected["data"] == {"network": "default", "state": "starting", "interface": "wg0", "peers": 2}
        assert [outcome(answer) for answer in socat(path, '{"id":"2","action":"status"}')] == [("2", True)]


def test_malformed_request_does_not_affect_the_others(path: Path) -> None:
    with served(path, SimulatedNetworks(config())):
        answers = socat(path, '{"id":"1","action":"ping"}\nnonsense\n\n{"action":"ping"}')
    assert [outcome(answer) for answer in answers] == [("1", True), ("unknown", "parse_error"), ("req-1", True)]


@pytest.mark.root
@pytest.mark.security
def test_users_are_served_by_their_groups(open_directory: Path, other_user: int) -> None:
    path, read, admin, stranger = open_directory / "agent.sock", 54321, 54322, 54323
    rules = Permissions(Group("warren-read", read), Group("warren-admin", admin))
    requests = '{"id":"s","action":"status"}\n{"id":"r","action":"reload"}\n'

    def ask(gid: int, groups: list[int]) -> list[object]:
        return [outcome(answer) for answer in socat(path, requests, user=other_user, group=gid, extra_groups=groups)]

    listener = listen(path, read, trust=None)
    path.chmod(0o666)  # what an administrator may do, and no more than that
    with served(path, SimulatedNetworks(config()), permissions=rules, listener=listener):
        assert ask(stranger, []) == [("s", "permission_denied"), ("r", "permission_denied")]
        assert ask(stranger, [read]) == [("s", True), ("r", "permission_denied")]
        assert ask(read, []) == [("s", True), ("r", "permission_denied")]
        assert ask(stranger, [read, admin]) == [("s", True), ("r", True)]
        assert [outcome(answer) for answer in socat(path, requests)] == [("s", True), ("r", True)]
    assert os.geteuid() == 0
