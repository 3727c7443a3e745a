"""Users of a real OpenVPN server, made and ended by an operator's signed words on a whole agent (G-27, V-51)."""

from __future__ import annotations

import pytest

from tests.commands.providers.vpn import PASSWORD, Client, Server
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host
from tests.netns.pair import cabled
from warren.commands.result import Result, Status

from .agent import USER
from .commanded import Commanded
from .conftest import MakeAgent

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.needs("openvpn"),
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
TABLE = """
[services.openvpn]
directory = "/etc/openvpn"
management = "/etc/openvpn/management.sock"
remote = "192.0.2.1 1194 udp"
"""
OUTLIVES_SECONDS = 600.0  # ten times the life of a user who lives for as short as can be


@pytest.fixture
def node(make_agent: MakeAgent) -> Commanded:
    return Commanded(make_agent("near"))


@pytest.fixture
def far(make_agent: MakeAgent) -> Host:
    return make_agent("far").host


@pytest.fixture
def server(node: Commanded, far: Host) -> Server:
    cabled(node.agent.host, far)
    directory = node.agent.directory / "etc/openvpn"
    directory.mkdir()
    made = Server(node.agent.host, directory)
    made.start()
    node.prepare(TABLE)
    node.start()
    return made


def run(node: Commanded, verb: str, **args: object) -> Result:
    result = node.run(verb, **args)
    assert result.status == Status.SUCCESS, result.problem
    return result


def is_refused(server: Server, client: Client) -> None:
    client.stop()
    client.start()
    until(lambda: "certificate revoked" in server.host.log(), "the server refuses the certificate")
    assert not client.reaches()


def test_a_user_is_made_comes_in_and_is_deleted(node: Commanded, far: Host, server: Server) -> None:
    made = run(node, "create_openvpn_user", username="user1", password=PASSWORD, email="user1@example.com")
    profile = (server.directory / "users" / "user1.ovpn").read_text()
    assert node.opened(made)["config"] == profile
    client = Client(far, server, "user1")
    client.start()
    until(client.reaches, "the client reaches the server")
    assert run(node, "list_users").data["users"] == [{"username": "user1", "systems": ["openvpn"]}]
    assert run(node, "delete_user", username="user1").data["sessions_ended"] == 1
    assert not client.reaches()
    is_refused(server, client)
    lines = node.audit()
    assert PASSWORD not in str(lines)
    assert "user.created" in {line["event"] for line in lines}
    assert "PRIVATE KEY" not in str(lines) + node.agent.host.log()


def test_a_user_ends_when_the_time_is_up(node: Commanded, far: Host, server: Server) -> None:
    keys = {"key": "c2VjcmV0c2VjcmV0c2VjcmV0", "hmac_key": "aG1hY2htYWNobWFjaG1hY2ht"}
    life = {"source_ip": "192.0.2.2", "timeout": 60}
    run(node, "create_openvpn_user", username="user1", userpass=PASSWORD, **life, **keys)
    client = Client(far, server, "user1")
    client.start()
    until(client.reaches, "the client reaches the server")
    until(lambda: not client.reaches(), "the client is cut off", OUTLIVES_SECONDS)
    until(lambda: run(node, "list_users").data["users"] == [], "the user is gone")
    is_refused(server, client)
    assert [line["details"] for line in node.audit() if line["event"] == "user.expired"]
