"""Signed commands on a whole agent: unprivileged, with a helper and its runner."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.commands.pipeline.bundles import put, trusted_directory
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from warren.commands.result import Code, Result, Status
from warren.errors import WarrenError

from .agent import USER, Agent
from .commanded import Commanded
from .conftest import MakeAgent

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.security,
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
PASSWORD = "correct-horse-9"  # noqa: S105, of nobody


@pytest.fixture
def node(make_agent: MakeAgent) -> Commanded:
    return Commanded(make_agent("node"))


def htpasswd(node: Commanded) -> Path:
    path = node.agent.directory / "etc/htpasswd"
    path.write_text("")
    return path


def test_signed_command_runs_once(node: Commanded) -> None:
    path = htpasswd(node)
    node.prepare("[services.panel]", 'htpasswd = "/etc/htpasswd"', "bcrypt_cost = 4")
    node.start()
    envelope = node.envelope("create_panel_user", username="ada", password=PASSWORD)
    result = node.submit(envelope)
    assert (result.status, result.error_code, result.problem) == (Status.SUCCESS, Code.NONE, "")
    assert path.read_text().startswith("ada:$2")
    assert node.submit(envelope).error_code == Code.REPLAY_DETECTED
    assert [(line["event"], line["command"], line["error_code"]) for line in node.audit()] == [
        ("command.accepted", "create_panel_user", "NONE"),
        ("user.created", None, "NONE"),
        ("command.finished", "create_panel_user", "NONE"),
        ("command.refused", "create_panel_user", "REPLAY_DETECTED"),
    ]
    everything = [*(node.agent.directory / "var").rglob("*")]
    kept = b"".join(each.read_bytes() for each in everything if each.is_file())
    assert PASSWORD.encode() not in kept
    assert PASSWORD not in node.agent.host.log()


def test_unprivileged_command_seals_secret_fields(node: Commanded) -> None:
    node.prepare()
    node.start()
    result = node.run("generate_bootstrap", username="ada", session_id="s-1", ttl_seconds=60)
    assert result.status == Status.SUCCESS
    token = node.opened(result)["bootstrap_token"]
    assert node.run("revoke_bootstrap", bootstrap_token=token).data == {"revoked": True}
    assert node.run("revoke_bootstrap", bootstrap_token=token).data == {"revoked": False}
    health = node.run("get_system_health")
    assert set(health.data) == {"health", "system"}


def test_dry_run_lists_effects_and_changes_nothing(node: Commanded) -> None:
    path = htpasswd(node)
    node.prepare("[services.panel]", 'htpasswd = "/etc/htpasswd"', "bcrypt_cost = 4")
    node.start()
    envelope = node.envelope("create_panel_user", username="ada", password=PASSWORD)
    told = node.ask("dry_run", envelope=envelope)
    assert any(each.startswith(f"as root: WriteFile(path='{path}'") for each in told["effects"])
    assert PASSWORD not in str(told)
    assert path.read_text() == ""
    assert node.submit(envelope).status == Status.SUCCESS


def test_node_without_exec_enable_runs_nothing(node: Commanded) -> None:
    node.prepare(enabled=False)
    node.start()
    assert node.run("get_system_health").error_code == Code.EXEC_DISABLED
    assert [line["error_code"] for line in node.audit()] == ["EXEC_DISABLED"]


def test_reload_disables_commands_at_once(node: Commanded) -> None:
    node.prepare()
    node.start()
    assert node.run("get_system_health").status == Status.SUCCESS
    node.configure(enabled=False)
    node.agent.reload()
    assert node.run("get_system_health").error_code == Code.EXEC_DISABLED
    node.configure(enabled=True)
    node.agent.reload()
    assert node.run("get_system_health").status == Status.SUCCESS


SLOW = """#!/bin/sh
read -r secret
echo "begun for $1 with ${#secret} characters: $secret"
sleep 3600 &
(setsid sleep 3601 &)
while :; do sleep 0.1; done
"""


@pytest.fixture
def slow(make_agent: MakeAgent) -> Iterator[Commanded]:
    """A node whose panel is a script that says something, leaves processes behind, and never ends."""
    host = make_agent("node").host
    with trusted_directory("/var") as directory:
        node = Commanded(Agent(host, directory / "root"))
        put(node.agent.directory / "slow.sh", SLOW)
        node.prepare('[scripts]\npanel_create = "/slow.sh"', "[sandbox]\ngrace_seconds = 1\ncmd_timeout_secs = 60")
        node.start()
        yield node
        node.agent.attempt("agent", "stop")


def sleepers(node: Commanded) -> list[str]:
    """What the script has left running on the host."""
    return [line for line in node.agent.host.run("ps", "-eo", "args").splitlines() if line.startswith("sleep 360")]


def begin(node: Commanded) -> tuple[Future[Result], str]:
    """A command under way, and what it has said so far."""
    corr_id = str(uuid.uuid4())
    envelope = node.envelope("create_panel_user", corr_id, username="ada", password=PASSWORD)
    with ThreadPoolExecutor() as pool:
        done = pool.submit(node.submit, envelope)
        until(lambda: bool(node.ask("tail_output", corr_id=corr_id)["text"]), "it says something")
        text = str(node.ask("tail_output", corr_id=corr_id)["text"])
        until(lambda: len(sleepers(node)) == 2, "its processes run")
        node.ask("cancel", corr_id=corr_id)
    return done, text


def test_cancelled_command_leaves_nothing_behind(slow: Commanded) -> None:
    done, said = begin(slow)
    assert said == f"begun for ada with {len(PASSWORD)} characters: ***\n"
    result = done.result()
    assert (result.status, result.error_code) == (Status.ERROR, Code.CANCELLED)
    assert result.problem == "cancelled by uid 0"
    assert sleepers(slow) == []
    assert slow.audit()[-1]["error_code"] == "CANCELLED"
    assert PASSWORD not in json.dumps(slow.audit()) + slow.agent.host.log()


def test_command_of_a_killed_agent_ends_as_interrupted(slow: Commanded) -> None:
    corr_id = str(uuid.uuid4())
    envelope = slow.envelope("create_panel_user", corr_id, username="ada", password=PASSWORD)
    with ThreadPoolExecutor() as pool:
        lost = pool.submit(slow.submit, envelope)
        until(lambda: len(sleepers(slow)) == 2, "its processes run")
        slow.agent.host.kill(slow.agent.pid())
        with pytest.raises(WarrenError):
            lost.result()
    until(lambda: not sleepers(slow), "nothing of it runs any more")
    slow.start()
    assert slow.submit(slow.again(envelope)).error_code == Code.INTERRUPTED
    assert [line["event"] for line in slow.audit() if line["correlation_id"] == corr_id][:2] == [
        "command.accepted",
        "command.interrupted",
    ]
    assert sleepers(slow) == []
