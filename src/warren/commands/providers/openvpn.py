"""Users of OpenVPN: of our own making, or of the owner's scripts (G-27, V-50, X-06).

Both forms of create_openvpn_user make the same user. Of the second, `userpass` is the password, `source_ip` the only
address that may log in, `timeout` the user's life, and `key` and `hmac_key` go into a stanza of fwknop, which opens
the server's port to who knocks with them. A user without a timeout lives for 30 days, as its certificate does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from warren.commands.effects.effect import (
    Effects,
    HashPassword,
    ListDirectory,
    LockFile,
    Now,
    RandomBytes,
    ReadFile,
    Secret,
    WriteFile,
    do,
)
from warren.commands.providers import pki
from warren.commands.providers.arguments import EMAIL, PASSWORD, SOURCE_IP, SPA_KEY, USERNAME, VPN_TIMEOUT
from warren.commands.providers.ca import opened_authority
from warren.commands.providers.openvpn_files import Spa, VpnFiles, is_reserved, profile, usual_head
from warren.commands.providers.openvpn_user import VpnUser, encode_user
from warren.commands.providers.script_provider import run_script, tell_of_user
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings, OpenVpnSettings, ScriptSettings
from warren.commands.verbs import Data, Verb, VerbContext

SYSTEM = "openvpn"
CREATE, DELETE, LIST = "openvpn_create", "openvpn_delete", "openvpn_list"
SCRIPTS_DIRECTORY = "/etc/openvpn"
"""Where document 001 has the files that a script makes."""


def create_openvpn_user(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """Raises CommandError EXEC_FAILED where there is one of that name: it stays as it is."""
    settings: CommandSettings = occasion.settings
    services = settings.services
    if "key" in args and args["key"] == args["hmac_key"]:  # fwknop would end, for all its users
        raise CommandError(Code.VALIDATION_FAILED, "hmac_key: is the same as key; expected another")
    if services.openvpn.directory is None:
        data = yield from _by_script(settings.scripts, args)
    else:
        password = Secret(str(args.get("password") or args["userpass"]).encode())
        hashed = yield from do(HashPassword(password, services.panel.bcrypt_cost))
        data = yield from _built_in(args, services.openvpn, VpnFiles(services.openvpn.directory), hashed)
    yield from tell_of_user("user.created", args["username"], SYSTEM)
    return data


def _built_in(args: Mapping[str, Any], settings: OpenVpnSettings, files: VpnFiles, hashed: str) -> Effects[Data]:
    username: str = args["username"]
    yield from do(LockFile(files.lock))
    now = yield from do(Now())
    yield from _require_free(files, username)
    head = yield from _head(settings)
    authority = yield from opened_authority(files, now)
    seconds = args.get("timeout", pki.CLIENT_LIFE.total_seconds())
    client = pki.make_client(authority, username, (yield from do(RandomBytes(pki.SEED_BYTES))), now, seconds)
    user = _user(args, client, hashed, now)
    ovpn = profile(head, authority.certificate_pem, client.certificate_pem, client.key_pem)
    yield from do(WriteFile(files.entry(username), Secret(encode_user(user)), 0o640))
    yield from _write_spa(args, settings, files, user)
    yield from do(WriteFile(files.certificate(username), Secret(client.certificate_pem), 0o644))
    yield from do(WriteFile(files.profile(username), ovpn))
    return {
        "user_created": True,
        "config_file": files.profile(username),
        "certificate_path": files.certificate(username),
        "expires": datetime.fromtimestamp(user.expires, UTC).isoformat().replace("+00:00", "Z"),
        "config": ovpn.open().decode(),
    }


def _require_free(files: VpnFiles, username: str) -> Effects[None]:
    if is_reserved(username):
        raise CommandError(Code.VALIDATION_FAILED, "username: it is the name of the server itself")
    if (yield from do(ReadFile(files.entry(username)))) is not None:
        raise CommandError(Code.EXEC_FAILED, "there is an OpenVPN user of that name; delete it first", Status.ERROR)


def _head(settings: OpenVpnSettings) -> Effects[str]:
    if settings.template is not None:
        octets = yield from do(ReadFile(settings.template))
        if octets is None:
            raise CommandError(Code.EXEC_FAILED, f"{settings.template} is not there", Status.ERROR)
        return octets.decode(errors="replace")
    if settings.remote is None:
        problem = "[services.openvpn] has neither remote nor template, so a client would not know where to go"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return usual_head(settings.remote)


def _user(args: Mapping[str, Any], client: pki.Issued, hashed: str, now: float) -> VpnUser:
    return VpnUser(
        username=args["username"],
        serial=f"{client.certificate.serial_number:x}",
        created=int(now),
        expires=int(client.certificate.not_valid_after_utc.timestamp()),
        password_hash=hashed,
        source_ip=args.get("source_ip"),
        email=args.get("email"),
    )


def _write_spa(args: Mapping[str, Any], settings: OpenVpnSettings, files: VpnFiles, user: VpnUser) -> Effects[None]:
    if user.source_ip is None or "key" not in args or ipaddress.ip_address(user.source_ip).version == 6:
        return
    key, hmac_key = (Secret(args[name].encode()) for name in ("key", "hmac_key"))
    stanza = Spa(user.source_ip, key, hmac_key, user.expires, settings.remote).stanza()
    yield from do(WriteFile(files.spa(user.username), stanza))


def _by_script(scripts: ScriptSettings, args: Mapping[str, Any]) -> Effects[Data]:
    """A path is told only if the file is there now (G-27)."""
    username = args["username"]
    schema = OF_004 if "userpass" in args else OF_001
    values = (Secret(args[name].encode()) if name in schema.secrets else str(args[name]) for name in schema.rules)
    yield from run_script(scripts, CREATE, *values)
    files = VpnFiles(SCRIPTS_DIRECTORY)
    paths = {"config_file": files.profile(username), "certificate_path": files.certificate(username)}
    found: dict[str, object] = {}
    for name, path in paths.items():
        directory, _, file = path.rpartition("/")
        if file in (yield from do(ListDirectory(directory))):
            found[name] = path
    return {"user_created": True, **found}


OF_001 = Schema({"username": USERNAME, "password": PASSWORD, "email": EMAIL})
OF_004 = Schema(
    {
        "username": USERNAME,
        "userpass": PASSWORD,
        "source_ip": SOURCE_IP,
        "key": SPA_KEY,
        "hmac_key": SPA_KEY,
        "timeout": VPN_TIMEOUT,
    }
)
VERBS = (
    Verb(
        "create_openvpn_user",
        "lets a user into the VPN, and answers what its client needs",
        (OF_001, OF_004),
        privileged=create_openvpn_user,
        secret_data=frozenset({"config"}),
    ),
)
