"""delete_user and list_users over both systems, on real files (G-29, G-30, V-51)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands.commands import settings
from tests.commands.playbook import Playbook
from tests.commands.providers.performing import Node
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.effects.records import DeleteRecord, ListRecords
from warren.commands.providers import openvpn, panel, users
from warren.commands.providers.bootstrap import BOOTSTRAP, SESSION
from warren.commands.result import Code, Result, Status
from warren.commands.settings import CommandSettings, OpenVpnSettings, PanelSettings, ServiceSettings
from warren.commands.verb import Verb, VerbContext

(CREATE_VPN,), (CREATE_PANEL,), (DELETE, LIST) = openvpn.VERBS, panel.VERBS, users.VERBS
PANEL = {"username": "user1", "password": "correct horse"}
VPN = {**PANEL, "email": "user1@example.com"}
NOBODY_TO_ASK = {"sessions_ended": None, "containers_stopped": None}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    (tmp_path / "htpasswd").touch()
    return Node(table(tmp_path))


def table(directory: Path, *, has_vpn: bool = True, has_panel: bool = True) -> CommandSettings:
    vpn = OpenVpnSettings(str(directory / "vpn"), None, "vpn.example.org 1194 udp") if has_vpn else OpenVpnSettings()
    web = PanelSettings(str(directory / "htpasswd") if has_panel else None, 4)
    return replace(settings(), services=ServiceSettings(openvpn=vpn, panel=web))


def deleted(node: Node) -> Result:
    return node.run(DELETE, {"username": "user1"})


def listed(node: Node) -> Mapping[str, object]:
    result = node.run(LIST, {})
    assert result.status == Status.SUCCESS, result.problem
    return result.data


@pytest.mark.integration
def test_list_users_of_both_systems(node: Node, tmp_path: Path) -> None:
    node.run(CREATE_VPN, VPN)
    node.run(CREATE_PANEL, PANEL)
    node.run(CREATE_PANEL, {**PANEL, "username": "user2"})
    with (tmp_path / "htpasswd").open("a") as file:
        file.write("by-hand:$apr1$x$y\n")
    assert listed(node) == {
        "users": [
            {"username": "by-hand", "systems": ["panel"]},
            {"username": "user1", "systems": ["openvpn", "panel"]},
            {"username": "user2", "systems": ["panel"]},
        ],
        "not_listed": [],
    }


@pytest.mark.integration
def test_delete_user_from_both_systems_is_idempotent(node: Node) -> None:
    node.run(CREATE_VPN, VPN)
    node.run(CREATE_PANEL, PANEL)
    node.events.clear()
    both = {"user_deleted": True, "openvpn": "deleted", "panel": "deleted"}
    assert deleted(node).data == {**both, **NOBODY_TO_ASK, "bootstrap_revoked": 0}
    assert listed(node)["users"] == []
    assert node.events == [
        ("user.deleted", {"username": "user1", "system": "openvpn"}),
        ("user.deleted", {"username": "user1", "system": "panel"}),
    ]
    again = deleted(node)
    assert (again.status, again.data["openvpn"], again.data["panel"]) == (Status.SUCCESS, "absent", "absent")


@pytest.mark.integration
@pytest.mark.parametrize("missing", ["openvpn", "panel"])
def test_delete_user_of_one_system(node: Node, missing: str) -> None:
    node.run(*(CREATE_PANEL, PANEL) if missing == "openvpn" else (CREATE_VPN, VPN))
    states = {name: deleted(node).data[name] for name in ("openvpn", "panel")}
    assert states[missing] == "absent"
    assert listed(node)["users"] == []


@pytest.mark.integration
def test_failed_system_is_named_and_the_other_completed(node: Node, tmp_path: Path) -> None:
    node.run(CREATE_VPN, VPN)
    node.run(CREATE_PANEL, PANEL)
    (tmp_path / "htpasswd").rename(tmp_path / "away")
    half = deleted(node)
    assert (half.status, half.error_code) == (Status.ERROR, Code.EXEC_FAILED)
    assert half.problem.startswith(f"openvpn: deleted; panel: {tmp_path}/htpasswd does not exist")
    assert not (tmp_path / "vpn" / "access" / "user1.json").exists()
    (tmp_path / "away").rename(tmp_path / "htpasswd")
    assert (deleted(node).data["openvpn"], listed(node)["users"]) == ("absent", [])


@pytest.mark.integration
def test_failure_of_first_system_does_not_stop_the_second(node: Node, tmp_path: Path) -> None:
    node.run(CREATE_VPN, VPN)
    node.run(CREATE_PANEL, PANEL)
    (tmp_path / "vpn" / "crl.pem").write_text("none")
    half = deleted(node)
    assert half.problem.startswith(f"openvpn: {tmp_path}/vpn/crl.pem cannot be used")
    assert half.problem.endswith("; panel: deleted")
    assert [each["username"] for each in _users(listed(node))] == ["user1"]


@pytest.mark.integration
def test_host_with_one_system(node: Node, tmp_path: Path) -> None:
    node.settings = table(tmp_path, has_vpn=False)
    node.run(CREATE_PANEL, PANEL)
    assert listed(node) == {"users": [{"username": "user1", "systems": ["panel"]}], "not_listed": ["openvpn"]}
    assert deleted(node).data["openvpn"] == "not set up"


@pytest.mark.integration
def test_host_without_systems_is_an_error(node: Node, tmp_path: Path) -> None:
    node.settings = table(tmp_path, has_vpn=False, has_panel=False)
    assert deleted(node).error_code == Code.SCRIPT_NOT_FOUND
    assert listed(node) == {"users": [], "not_listed": ["openvpn", "panel"]}


@pytest.mark.integration
def test_dry_run_changes_nothing(node: Node, tmp_path: Path) -> None:
    steps: list[tuple[Verb, dict[str, object]]] = [
        (CREATE_VPN, {**VPN}),
        (CREATE_PANEL, {**PANEL}),
        (DELETE, {"username": "user1"}),
    ]
    for verb, args in steps:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        dry_run = node.dry_run(verb, args)
        assert not dry_run.problem, dry_run
        assert "correct horse" not in str(dry_run)
        assert "WriteFile" in str(dry_run.effects)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        assert node.run(verb, args).status == Status.SUCCESS
    assert not node.dry_run(LIST, {}).problem


@pytest.mark.unit
def test_login_tokens_and_sessions_are_revoked_first() -> None:
    playbook = Playbook(users.delete_user({"username": "user1"}, VerbContext("node-1", "corr-1", "ada", settings())))
    playbook.expect(ListRecords(SESSION)).reply({"a": {"username": "user1"}, "b": {"username": "user2"}})
    playbook.expect(DeleteRecord(SESSION, "a")).reply(outcome=True)
    playbook.expect(ListRecords(BOOTSTRAP)).reply({"c": {"username": "user1"}})
    playbook.expect(DeleteRecord(BOOTSTRAP, "c")).reply(outcome=True)
    playbook.expect(RunPrivileged()).reply({"user_deleted": True})
    assert playbook.returned == {"user_deleted": True, "bootstrap_revoked": 2}


def _users(data: Mapping[str, object]) -> list[dict[str, object]]:
    found = data["users"]
    assert isinstance(found, list)
    return found
