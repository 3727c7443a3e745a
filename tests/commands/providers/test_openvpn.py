"""create_openvpn_user on real files, and effect by effect where scripts make users (G-27, V-50, X-06)."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.commands.commands import settings
from tests.commands.playbook import Playbook
from tests.commands.providers.performing import Node, in_plain
from warren.commands.effects.effect import Secret
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.files import ListDirectory
from warren.commands.effects.programs import ProgramResult, RunScript
from warren.commands.pipeline.openvpn_init import initialize
from warren.commands.providers.openvpn import VERBS, create_openvpn_user
from warren.commands.result import EMPTY_SHA256, Code, CommandError, Status
from warren.commands.settings import OpenVpnSettings, PanelSettings, ScriptSettings, ServiceSettings
from warren.commands.verb import VerbContext

(CREATE,) = VERBS
ARGS_001 = {"username": "user1", "password": "correct horse", "email": "user1@example.com"}
ARGS_004 = {
    "username": "user1",
    "userpass": "correct horse",
    "source_ip": "192.0.2.2",
    "key": "c2VjcmV0c2VjcmV0c2VjcmV0",
    "hmac_key": "aG1hY2htYWNobWFjaG1hY2ht",
    "timeout": 3600,
}
BOTH = pytest.mark.parametrize("args", [ARGS_001, ARGS_004], ids=["of 001", "of 004"])
DONE = ProgramResult(0, b"", EMPTY_SHA256, EMPTY_SHA256)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    openvpn = OpenVpnSettings(str(tmp_path), None, "vpn.example.org 1194 udp")
    return Node(replace(settings(), services=ServiceSettings(openvpn=openvpn, panel=PanelSettings(None, 4))))


def files(directory: Path) -> dict[str, int]:
    """All of them, with their modes."""
    found = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): stat.S_IMODE(path.stat().st_mode) for path in found}


@pytest.mark.integration
@BOTH
def test_what_it_makes(node: Node, tmp_path: Path, args: Mapping[str, object]) -> None:
    result = node.run(CREATE, args)
    assert (result.status, result.problem) == (Status.SUCCESS, "")
    data = in_plain(result)
    assert data["user_created"] is True
    assert data["config_file"] == str(tmp_path / "users" / "user1.ovpn")
    assert data["certificate_path"] == str(tmp_path / "certs" / "user1.crt")
    assert data["config"] == (tmp_path / "users" / "user1.ovpn").read_text()
    assert files(tmp_path) == {
        "pki/lock": 0o600,
        "pki/ca.key": 0o600,
        "pki/ca.crt": 0o644,
        "pki/server.key": 0o600,
        "pki/server.crt": 0o644,
        "crl.pem": 0o644,
        "clock.json": 0o644,
        "access/user1.json": 0o640,
        "certs/user1.crt": 0o644,
        "users/user1.ovpn": 0o600,
    } | ({"spa/user1.conf": 0o600} if "key" in args else {})
    assert node.events == [("user.created", {"username": "user1", "system": "openvpn"})]


@pytest.mark.integration
@pytest.mark.security
@BOTH
def test_no_secret_is_where_it_should_not_be(node: Node, tmp_path: Path, args: Mapping[str, object]) -> None:
    result = node.run(CREATE, args)
    assert "correct horse" not in repr(result)
    assert "PRIVATE KEY" not in repr(result)
    texts = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if "correct horse" in text]
    with_keys = {path.name for path, text in texts.items() if "PRIVATE KEY" in text}
    assert with_keys == {"ca.key", "server.key", "user1.ovpn"}


@pytest.mark.integration
@pytest.mark.parametrize(("args", "seconds"), [(ARGS_001, 30 * 86_400), (ARGS_004, 3600)], ids=["of 001", "of 004"])
def test_certificate_and_entry_end_together(
    node: Node, tmp_path: Path, args: Mapping[str, object], seconds: int
) -> None:
    node.run(CREATE, args)
    certificate = x509.load_pem_x509_certificate((tmp_path / "certs" / "user1.crt").read_bytes())
    entry = json.loads((tmp_path / "access" / "user1.json").read_text())
    assert [each.value for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["user1"]
    assert int(entry["serial"], 16) == certificate.serial_number
    assert certificate.not_valid_after_utc.timestamp() == entry["expires"] == entry["created"] + seconds
    assert entry.get("source_ip") == args.get("source_ip")


@pytest.mark.integration
def test_a_user_that_is_there_stays_as_it_is(node: Node, tmp_path: Path) -> None:
    node.run(CREATE, ARGS_001)
    before = (tmp_path / "users" / "user1.ovpn").read_bytes()
    again = node.run(CREATE, ARGS_004)
    assert (again.error_code, "delete it first" in again.problem) == (Code.EXEC_FAILED, True)
    assert (tmp_path / "users" / "user1.ovpn").read_bytes() == before


@pytest.mark.integration
def test_of_many_at_once_each_has_its_own_and_all_one_authority(node: Node, tmp_path: Path) -> None:
    async def all_at_once() -> None:
        users = [{**ARGS_001, "username": f"user{n}"} for n in range(10)]
        results = await asyncio.gather(*(node.running(CREATE, user) for user in [*users, *users]))
        assert sorted(result.status for result in results) == [Status.ERROR] * 10 + [Status.SUCCESS] * 10

    asyncio.run(all_at_once())
    authority = x509.load_pem_x509_certificate((tmp_path / "pki" / "ca.crt").read_bytes())
    serials = set()
    for path in (tmp_path / "certs").iterdir():
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(authority)
        serials.add(certificate.serial_number)
    assert len(serials) == 10


@pytest.mark.integration
def test_what_is_set_up_before_is_used(node: Node, tmp_path: Path) -> None:
    lines = initialize(str(tmp_path), "/usr/bin/warren")
    before = files(tmp_path)
    assert initialize(str(tmp_path), "/usr/bin/warren") == lines
    named = [word for line in lines.splitlines() for word in line.split() if word.startswith(f"{tmp_path}/")]
    assert all(Path(path).is_file() for path in named)
    authority = (tmp_path / "pki" / "ca.crt").read_bytes()
    node.run(CREATE, ARGS_001)
    assert (tmp_path / "pki" / "ca.crt").read_bytes() == authority
    assert before.items() <= files(tmp_path).items()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda at: (at / "pki" / "ca.key").unlink(), "ca.key does not exist"),
        (lambda at: (at / "pki" / "ca.key").write_text("none"), "cannot be used: the key is malformed"),
        (lambda at: (at / "pki" / "ca.crt").write_text("none"), "cannot be used"),
    ],
)
def test_an_authority_that_cannot_be_used(node: Node, tmp_path: Path, spoil: object, problem: str) -> None:
    initialize(str(tmp_path), "/usr/bin/warren")
    assert callable(spoil)
    spoil(tmp_path)
    before = files(tmp_path)
    result = node.run(CREATE, ARGS_001)
    assert (result.error_code, problem in result.problem) == (Code.EXEC_FAILED, True), result.problem
    assert files(tmp_path) == before


@pytest.mark.integration
@pytest.mark.root
def test_a_group_that_may_read_entries_may_read_those_to_come(node: Node, tmp_path: Path) -> None:
    (tmp_path / "access").mkdir()
    os.chown(tmp_path / "access", 0, 4711)
    (tmp_path / "access").chmod(0o2750)
    node.run(CREATE, ARGS_001)
    status = (tmp_path / "access" / "user1.json").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 4711, 0o640)


@pytest.mark.integration
def test_a_template_is_the_head(node: Node, tmp_path: Path) -> None:
    (tmp_path / "template").write_text("client\nremote elsewhere.example.org 443 tcp\n")
    openvpn = OpenVpnSettings(str(tmp_path), None, None, str(tmp_path / "template"))
    node.settings = replace(node.settings, services=ServiceSettings(openvpn=openvpn, panel=PanelSettings(None, 4)))
    node.run(CREATE, ARGS_001)
    assert (
        (tmp_path / "users" / "user1.ovpn").read_text().startswith("client\nremote elsewhere.example.org 443 tcp\n<ca>")
    )


@pytest.mark.integration
@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"username": "OpenVPN-server"}, Code.VALIDATION_FAILED),
        ({"hmac_key": ARGS_004["key"]}, Code.VALIDATION_FAILED),
    ],
)
def test_what_would_harm_others(node: Node, tmp_path: Path, others: Mapping[str, object], code: Code) -> None:
    assert node.run(CREATE, {**ARGS_004, **others}).error_code == code
    assert not (tmp_path / "access").exists()


@pytest.mark.unit
def test_without_an_address_of_the_server_there_is_no_user() -> None:
    services = ServiceSettings(openvpn=OpenVpnSettings("/etc/openvpn"))
    playbook = Playbook(create_openvpn_user(ARGS_001, occasion(replace(settings(), services=services))))
    playbook.reply("$2y$10$hash").reply().reply(1_800_000_000.0)
    with pytest.raises(CommandError, match="needs remote or template"):
        playbook.reply(None)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("args", "arguments", "secrets"),
    [
        (ARGS_001, ("user1", "user1@example.com"), b"correct horse\n"),
        (
            ARGS_004,
            ("user1", "192.0.2.2", "3600"),
            b"correct horse\nc2VjcmV0c2VjcmV0c2VjcmV0\naG1hY2htYWNobWFjaG1hY2ht\n",
        ),
    ],
)
def test_a_script_has_secrets_by_its_standard_input(
    args: Mapping[str, object], arguments: tuple[str, ...], secrets: bytes
) -> None:
    playbook = Playbook(create_openvpn_user(args, occasion(settings())))
    playbook.expect(RunScript("openvpn_create", arguments, Secret(secrets))).reply(DONE)
    playbook.expect(ListDirectory("/etc/openvpn/users")).reply(("user1.ovpn", "user2.ovpn"))
    playbook.expect(ListDirectory("/etc/openvpn/certs")).reply(("user2.crt",))
    playbook.of(EmitEvent)
    answer = {"user_created": True, "config_file": "/etc/openvpn/users/user1.ovpn"}
    assert playbook.reply().returned == answer  # no certificate_path: there is none


@pytest.mark.unit
def test_an_old_script_has_them_where_the_document_has_them() -> None:
    scripts = ScriptSettings(args_mode={"openvpn_create": "argv"})
    playbook = Playbook(create_openvpn_user(ARGS_004, occasion(replace(settings(), scripts=scripts))))
    playbook.expect(EmitEvent("script.secrets_on_argv", {"script": "openvpn_create"})).reply()
    ran = playbook.of(RunScript)
    assert ran.arguments == tuple(str(value) for value in ARGS_004.values())
    assert "correct horse" not in repr(ran)
    assert "c2VjcmV0" not in repr(ran)


def occasion(table: object) -> VerbContext:
    return VerbContext("node-1", "corr-1", "ada", table)
