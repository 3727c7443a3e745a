"""OpenVPN users, created by the built-in provider or by the owner's scripts (G-27, V-50, X-06).

Both forms of create_openvpn_user create the same user. In the second, `userpass` is the password, `source_ip` the only
address that may log in, and `timeout` the user's lifetime; `key` and `hmac_key` go into a stanza of fwknop, which opens
the server's port to a packet authorized by them. Without a timeout a user expires after 30 days, with its certificate.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from math import floor
from typing import Any

from warren.commands.effects.effect import Effects, Secret, do
from warren.commands.effects.files import ListDirectory, ReadFile, WriteFile
from warren.commands.effects.locks import LockFile
from warren.commands.effects.passwords import HashPassword
from warren.commands.effects.system import GetRandomBytes, GetTime
from warren.commands.providers import pki
from warren.commands.providers.arguments import EMAIL, PASSWORD, SOURCE_IP, SPA_KEY, VPN_TIMEOUT, VPN_USERNAME
from warren.commands.providers.ca import open_authority
from warren.commands.providers.openvpn_files import Spa, VpnFiles, default_head, profile
from warren.commands.providers.openvpn_user import VpnUser, encode_user
from warren.commands.providers.script_provider import emit_user_event, run_script
from warren.commands.providers.vpn_clock import vpn_moment
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings, OpenVpnSettings, ScriptSettings
from warren.commands.verb import Data, Verb, VerbContext
from warren.elapsed_clock import Moment

SYSTEM = "openvpn"
CREATE, DELETE, LIST = "openvpn_create", "openvpn_delete", "openvpn_list"
SCRIPTS_DIRECTORY = "/etc/openvpn"
"""The directory of the files that a script creates (ViWorkS gateway agent)."""


def create_openvpn_user(args: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Create a user and return the client profile.

    Raises:
        CommandError: EXEC_FAILED if the user already exists; it is not changed.
    """
    settings: CommandSettings = context.settings
    services = settings.services
    if problem := VPN_USERNAME.problem(args["username"]):
        raise CommandError(Code.VALIDATION_FAILED, f"username: {problem}")
    if "key" in args and args["key"] == args["hmac_key"]:  # fwknop would exit, for all users
        raise CommandError(Code.VALIDATION_FAILED, "hmac_key: must differ from key")
    if services.openvpn.directory is None:
        data = yield from _by_script(settings.scripts, args)
    else:
        password = Secret(str(args.get("password") or args["userpass"]).encode())
        hashed = yield from do(HashPassword(password, services.panel.bcrypt_cost))
        data = yield from _built_in(args, services.openvpn, VpnFiles(services.openvpn.directory), hashed)
    yield from emit_user_event("user.created", args["username"], SYSTEM)
    return data


def _built_in(args: Mapping[str, Any], settings: OpenVpnSettings, files: VpnFiles, hashed: str) -> Effects[Data]:
    username: str = args["username"]
    yield from do(LockFile(files.lock))
    now = yield from do(GetTime())
    yield from _require_free(files, username)
    head = yield from _head(settings)
    authority = yield from open_authority(files, now)
    moment = yield from vpn_moment(files)
    seconds = args.get("timeout", pki.CLIENT_LIFE.total_seconds())
    client = pki.make_client(authority, username, (yield from do(GetRandomBytes(pki.SEED_BYTES))), moment.wall, seconds)
    user = _user(args, client, hashed, moment)
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
    if (yield from do(ReadFile(files.entry(username)))) is not None:
        raise CommandError(Code.EXEC_FAILED, "OpenVPN user already exists; delete it first", Status.ERROR)


def _head(settings: OpenVpnSettings) -> Effects[str]:
    if settings.template is not None:
        octets = yield from do(ReadFile(settings.template))
        if octets is None:
            raise CommandError(Code.EXEC_FAILED, f"{settings.template} does not exist", Status.ERROR)
        return octets.decode(errors="replace")
    if settings.remote is None:
        problem = "[services.openvpn] needs remote or template"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return default_head(settings.remote)


def _user(args: Mapping[str, Any], client: pki.Issued, hashed: str, now: Moment) -> VpnUser:
    return VpnUser(
        username=args["username"],
        serial=f"{client.certificate.serial_number:x}",
        created=int(now.wall),
        expires=int(client.certificate.not_valid_after_utc.timestamp()),
        password_hash=hashed,
        source_ip=args.get("source_ip"),
        email=args.get("email"),
        created_elapsed=floor((now.elapsed - now.wall % 1) * 1_000) / 1_000,  # at the second that `created` names
    )


def _write_spa(args: Mapping[str, Any], settings: OpenVpnSettings, files: VpnFiles, user: VpnUser) -> Effects[None]:
    if user.source_ip is None or "key" not in args or ipaddress.ip_address(user.source_ip).version == 6:
        return
    key, hmac_key = (Secret(args[name].encode()) for name in ("key", "hmac_key"))
    stanza = Spa(user.source_ip, key, hmac_key, user.expires, settings.remote).stanza()
    yield from do(WriteFile(files.spa(user.username), stanza))


def _by_script(scripts: ScriptSettings, args: Mapping[str, Any]) -> Effects[Data]:
    """Create a user by script; a path is in the answer only if the file exists (G-27)."""
    username = args["username"]
    schema = FORM_004 if "userpass" in args else FORM_001
    values = (Secret(args[name].encode()) if name in schema.secrets else str(args[name]) for name in schema.rules)
    yield from run_script(scripts, CREATE, *values)
    files = VpnFiles(SCRIPTS_DIRECTORY)
    paths = {"config_file": files.profile(username), "certificate_path": files.certificate(username)}
    existing: dict[str, object] = {}
    for name, path in paths.items():
        directory, _, file = path.rpartition("/")
        if file in (yield from do(ListDirectory(directory))):
            existing[name] = path
    return {"user_created": True, **existing}


FORM_001 = Schema({"username": VPN_USERNAME, "password": PASSWORD, "email": EMAIL})
FORM_004 = Schema(
    {
        "username": VPN_USERNAME,
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
        "create an OpenVPN user and return the client profile",
        (FORM_001, FORM_004),
        privileged=create_openvpn_user,
        secret_data=frozenset({"config"}),
    ),
)
