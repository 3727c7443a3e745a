"""Signed commands on a whole agent: unprivileged, with a helper and its runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.netns.host import IN_NAMESPACES
from tests.trust.parties import ALICE_SEALING
from warren.commands.result import Code, Status
from warren.commands.sealed import open_data

from .agent import USER
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


def test_a_word_of_an_operator_is_carried_out_once(node: Commanded) -> None:
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


def test_what_needs_no_root_and_what_is_secret_of_its_answer(node: Commanded) -> None:
    node.prepare()
    node.start()
    result = node.run("generate_bootstrap", username="ada", session_id="s-1", ttl_seconds=60)
    assert result.status == Status.SUCCESS
    token = open_data(result.data, result.corr_id, ALICE_SEALING)["bootstrap_token"]
    assert node.run("revoke_bootstrap", bootstrap_token=token).data == {"revoked": True}
    assert node.run("revoke_bootstrap", bootstrap_token=token).data == {"revoked": False}
    health = node.run("get_system_health")
    assert set(health.data) == {"health", "system"}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(node: Commanded) -> None:
    path = htpasswd(node)
    node.prepare("[services.panel]", 'htpasswd = "/etc/htpasswd"', "bcrypt_cost = 4")
    node.start()
    envelope = node.envelope("create_panel_user", username="ada", password=PASSWORD)
    told = node.ask("preview", envelope=envelope)
    assert any(each.startswith(f"as root: WriteFile(path='{path}'") for each in told["effects"])
    assert PASSWORD not in str(told)
    assert path.read_text() == ""
    assert node.submit(envelope).status == Status.SUCCESS


def test_where_the_owner_has_not_said_so_nothing_runs(node: Commanded) -> None:
    node.prepare(enabled=False)
    node.start()
    assert node.run("get_system_health").error_code == Code.EXEC_DISABLED
    assert [line["error_code"] for line in node.audit()] == ["EXEC_DISABLED"]
