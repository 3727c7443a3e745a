"""From setup to a signed command with the command line (docs/guide/trust.md, commands.md)."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from tests.cli.program import WARREN
from tests.netns.host import IN_NAMESPACES
from warren.clock import wall_seconds
from warren.commands.store.command_store import initialize_store

from .agent import USER, Agent
from .conftest import MakeAgent

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
PASSWORD = "correct-horse-9"  # noqa: S105, of nobody
AN_HOUR = 3600


def warren(*words: object, stdin: str = "", status: int = 0) -> str:
    """Run a command and return its output."""
    command = [*WARREN, *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout + done.stderr


def init_stores_an_hour_ago(agent: Agent) -> None:
    """Initialize the replay stores in the past: they reject commands issued before their first minute is over."""
    user = pwd.getpwnam(USER)
    for name, uid, gid in (("commands", user.pw_uid, user.pw_gid), ("runner", 0, 0)):
        directory = agent.directory / "var/lib/warren" / name
        directory.mkdir(mode=0o700, parents=True)
        initialize_store(directory, wall_seconds() - AN_HOUR)
        for path in (directory, *directory.iterdir()):
            os.chown(path, uid, gid)


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """Return a directory with a root key, a dispatch key and the operator alice."""
    office = tmp_path / "office"
    warren("trust", "init", office)
    table = warren("operator", "new", "alice", "--role", "ADMIN", "--output", office / "alice.jwks")
    with (office / "trust.toml").open("a") as file:
        file.write("\n" + "\n".join(line for line in table.splitlines() if not line.startswith(("warren", " "))))
    warren("trust", "sign", office / "trust.toml")
    return office


@pytest.fixture
def node(make_agent: MakeAgent, office: Path) -> Agent:
    agent = make_agent("node")
    root = json.loads((office / "root.jwks").read_text())
    assert root["id"] == "root"
    shown = json.loads(warren("trust", "show", office / "trust.jws", "--json"))
    panel = '[services.panel]\nhtpasswd = "/etc/htpasswd"\nbcrypt_cost = 4'
    agent.configure(
        head=f'[security]\nroot = ["{shown["signed_by"][0]}"]\nexec_enable = true\n{panel}\n[daemon]\nuser = "{USER}"'
    )
    (agent.directory / "etc/htpasswd").touch()
    init_stores_an_hour_ago(agent)
    warren("identity", "init", "--id", "gateway-001", "--root", agent.directory)
    warren("trust", "install", office / "trust.jws", "--root", agent.directory)
    agent.start()
    return agent


def test_command_signed_offline_is_submitted(node: Agent, office: Path, tmp_path: Path) -> None:
    (tmp_path / "challenge").write_text(warren("command", "challenge", "--root", node.directory))
    keys = ("--operator", office / "alice.jwks", "--dispatch", office / "dispatch.jwks")
    words = ("create_panel_user", "username=ada", "password")
    signed = warren("command", "sign", *words, *keys, "--challenge", tmp_path / "challenge", stdin=f"{PASSWORD}\n")
    (tmp_path / "command").write_text(signed)
    told = warren("command", "submit", tmp_path / "command", "--dry-run", "--root", node.directory)
    assert "WriteFile" in told
    assert (node.directory / "etc/htpasswd").read_text() == ""
    done = warren("command", "submit", tmp_path / "command", "--root", node.directory)
    assert done.startswith("create_panel_user SUCCESS\n")
    assert (node.directory / "etc/htpasswd").read_text().startswith("ada:$2")
    again = warren("command", "submit", tmp_path / "command", "--root", node.directory, status=1)
    assert "DENIED REPLAY_DETECTED: nonce already used" in again
    assert PASSWORD not in signed + told + done + again


def test_audit_log_verifies_and_shows_a_change(node: Agent, office: Path) -> None:
    keys = ("--operator", office / "alice.jwks", "--dispatch", office / "dispatch.jwks")
    run = ("command", "run", *keys, "--root", node.directory)
    shown = json.loads(warren(*run, "generate_bootstrap", "username=ada", "session_id=s-1", "ttl_seconds=60", "--json"))
    assert len(shown["data"]["bootstrap_token"]) == 43
    assert '"services"' not in warren(*run, "get_system_health")
    words = ("create_openvpn_user", "username=ada", "password", "email=ada@example.org")
    assert "ERROR SCRIPT_NOT_FOUND" in warren(*run, *words, stdin=f"{PASSWORD}\n", status=1)
    warren("agent", "stop", "--root", node.directory)
    log = node.directory / "var/lib/warren/audit/audit.jsonl"
    warren("audit", "verify", "--root", node.directory)
    changed = log.read_text().replace('"actor":"alice"', '"actor":"mallory"', 1)
    log.write_text(changed)
    assert "audit.jsonl" in warren("audit", "verify", "--root", node.directory, status=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create_panel_user", "username=-rf", "password"), "username: expected 3 to 64"),
        (("create_panel_user", "username=ada", f"password={PASSWORD}"), "password is secret"),
        (("create_panel_user", "username=ada", "passwd=x"), "'passwd': unknown argument; expected username, password"),
        (("generate_bootstrap", "username=ada", "session_id=s", "ttl_seconds=soon"), "ttl_seconds: expected a whole"),
        (("create_panel_user", "username=ada", "password=@/nowhere"), "password: /nowhere: No such file"),
    ],
)
def test_invalid_arguments_are_reported_before_signing(
    node: Agent, office: Path, words: tuple[str, ...], said: str
) -> None:
    keys = ("--operator", office / "alice.jwks", "--dispatch", office / "dispatch.jwks")
    told = warren("command", "run", *words, *keys, "--root", node.directory, stdin=f"{PASSWORD}\n", status=1)
    assert said in told
    assert PASSWORD not in told


def test_keys_made_by_root_become_those_of_the_service(node: Agent) -> None:
    warren("agent", "stop", "--root", node.directory)
    keys = node.directory / "var/lib/warren/identity/node.jwks"
    os.chown(keys, 0, 0)
    node.start()
    assert "gateway-001" in warren("command", "challenge", "--root", node.directory)
    assert keys.stat().st_uid == pwd.getpwnam(USER).pw_uid


def test_node_without_commands_names_the_hint(make_agent: MakeAgent) -> None:
    agent = make_agent("plain")
    agent.configure()
    agent.start()
    told = warren("command", "challenge", "--root", agent.directory, status=1)
    assert "signed commands are disabled on this node" in told
    assert "warren trust init" in told
