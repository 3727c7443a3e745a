"""A user of create_openvpn_user at a real server: comes in, and is cut off when deleted and when the time is up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.commands.providers.performing import in_plain
from tests.commands.providers.vpn import PASSWORD, Client, Server, entry_of, refusals
from tests.netns.deadline import until
from tests.netns.host import Host
from warren.commands.effects.effect import do
from warren.commands.effects.openvpn import ListVpnSessions, VpnSession
from warren.commands.providers import openvpn, users
from warren.commands.providers.vpn_revocation import expire_users
from warren.commands.result import Code, Result, Status
from warren.commands.verb import TaskResult, Verb

pytestmark = [
    pytest.mark.integration,
    pytest.mark.root,
    pytest.mark.needs("openvpn", "nsenter", "ip", "ping"),
]

CREATE, (DELETE, LIST) = openvpn.VERBS[0], users.VERBS
FORM_001 = {"username": "user1", "password": PASSWORD, "email": "user1@example.com"}
FORM_004 = {
    "username": "user1",
    "userpass": PASSWORD,
    "source_ip": "192.0.2.2",
    "key": "c2VjcmV0c2VjcmV0c2VjcmV0",
    "hmac_key": "aG1hY2htYWNobWFjaG1hY2ht",
    "timeout": 60,
}


@pytest.fixture
def server(hosts: tuple[Host, Host], tmp_path: Path) -> Server:
    made = Server(hosts[0], tmp_path)
    made.start()
    return made


def run(server: Server, verb: Verb, args: Mapping[str, object]) -> Result:
    result = server.node.run(verb, args)
    assert result.status == Status.SUCCESS, result.problem
    return result


def sessions(server: Server) -> tuple[VpnSession, ...]:
    return server.node.run_internal(lambda _: do(ListVpnSessions(str(server.management))))


def connected(server: Server, far: Host, args: Mapping[str, object]) -> Client:
    run(server, CREATE, args)
    client = Client(far, server, "user1")
    client.start()
    until(client.reaches, "the client reaches the server")
    return client


def is_kept_out(server: Server, client: Client) -> None:
    """Cut off now, and not let in again."""
    assert sessions(server) == ()
    assert not client.reaches()
    client.stop()
    client.start()
    until(lambda: "certificate revoked" in server.host.log(), "the server refuses the certificate")
    assert not client.reaches()


def test_the_user_comes_in_and_is_cut_off_when_deleted(server: Server, hosts: tuple[Host, Host]) -> None:
    client = connected(server, hosts[1], FORM_001)
    (session,) = sessions(server)
    assert (session.username, session.source.partition(":")[0]) == ("user1", "192.0.2.2")
    deleted = run(server, DELETE, {"username": "user1"})
    assert deleted.data["sessions_ended"] == 1
    is_kept_out(server, client)


def test_the_user_is_cut_off_when_the_time_is_up(server: Server, hosts: tuple[Host, Host]) -> None:
    client = connected(server, hosts[1], FORM_004)
    expires = int(str(entry_of(server, "user1")["expires"]))
    assert server.node.run_internal(expire_users, expires - 0.5) == TaskResult((), {}, 1)
    assert client.reaches()
    assert server.node.run_internal(expire_users, float(expires)).removed == ("user1",)
    is_kept_out(server, client)
    assert ("user.expired", {"username": "user1", "system": "openvpn"}) in server.node.events
    assert run(server, LIST, {}).data["users"] == []


def test_the_answer_is_the_profile_sealed_to_the_operator(server: Server) -> None:
    result = run(server, CREATE, FORM_001)
    assert "PRIVATE KEY" not in repr(result)
    path = server.directory / "users" / "user1.ovpn"
    assert in_plain(result)["config"] == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("others", "login", "why"),
    [
        ({}, ("user1", "another password"), "wrong password"),
        ({}, ("user3", PASSWORD), "unknown user"),
        ({}, ("../access/user1", PASSWORD), "unknown user"),
        ({}, ("user2", PASSWORD), "certificate of another user"),
        ({"source_ip": "192.0.2.77"}, ("user1", PASSWORD), "source address is not allowed"),
    ],
)
def test_a_login_that_is_wrong(
    server: Server, hosts: tuple[Host, Host], others: Mapping[str, object], login: tuple[str, str], why: str
) -> None:
    run(server, CREATE, {**FORM_004, **others})
    run(server, CREATE, {**FORM_001, "username": "user2"})
    client = Client(hosts[1], server, "user1", login)
    client.start()
    until(lambda: refusals(server), "the server refuses the login")
    assert refusals(server)[0] == why
    assert not client.reaches()


def test_a_server_that_does_not_answer_is_told_and_the_next_attempt_ends_the_rest(
    server: Server, hosts: tuple[Host, Host]
) -> None:
    client = connected(server, hosts[1], FORM_001)
    away = server.management.rename(server.directory / "away")
    half = server.node.run(DELETE, {"username": "user1"})
    assert (half.status, half.error_code) == (Status.ERROR, Code.EXEC_FAILED)
    assert half.problem.startswith(f"openvpn: {server.management}: No such file")
    assert not (server.directory / "users" / "user1.ovpn").exists()
    away.rename(server.management)
    assert run(server, DELETE, {"username": "user1"}).data["sessions_ended"] == 1
    is_kept_out(server, client)
