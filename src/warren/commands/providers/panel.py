"""Users of the panel: lines of the file that nginx asks, or what the owner's scripts make (G-28, V-49)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.commands.effects.effect import Effects, HashPassword, LockFile, ReadFile, Secret, WriteFile, do
from warren.commands.providers import htpasswd
from warren.commands.providers.arguments import PASSWORD, USERNAME
from warren.commands.providers.script_provider import run_script, tell_of_user
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings
from warren.commands.verbs import Data, Verb, VerbContext

SYSTEM = "panel"
CREATE, DELETE, LIST = "panel_create", "panel_delete", "panel_list"
MAX_FILE_BYTES = 16 << 20  # 150,000 users


def create_panel_user(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """Raises CommandError EXEC_FAILED where there is one of that name: whose password it is now stays."""
    settings: CommandSettings = occasion.settings
    panel, password = settings.services.panel, Secret(args["password"].encode())
    if panel.htpasswd is None:
        yield from run_script(settings.scripts, CREATE, args["username"], password)
    else:
        hashed = yield from do(HashPassword(password, panel.bcrypt_cost))
        yield from _add(panel.htpasswd, args["username"], hashed)
    yield from tell_of_user("user.created", args["username"], SYSTEM)
    return {"user_created": True}


def delete_panel_user(path: str, username: str) -> Effects[bool]:
    """Whether there was one in this file."""
    octets = yield from held(path)
    rest = htpasswd.without_user(octets, username)
    if rest != octets:
        yield from do(WriteFile(path, Secret(rest), 0o640))
    return rest != octets


def list_panel_users(path: str) -> Effects[frozenset[str]]:
    """Of this file."""
    return htpasswd.names((yield from do(ReadFile(path, MAX_FILE_BYTES))) or b"")


def held(path: str) -> Effects[bytes]:
    """The file's octets; nobody else changes it until this command ends."""
    yield from do(LockFile(f"{path}.lock"))
    octets = yield from do(ReadFile(path, MAX_FILE_BYTES))
    if octets is None:
        # One that is made here would be root's alone, and nginx could not open it.
        problem = f"{path} is not there; make it for nginx's group: install -m 640 -g www-data /dev/null {path}"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return octets


def _add(path: str, username: str, hashed: str) -> Effects[None]:
    octets = yield from held(path)
    if username in htpasswd.names(octets):
        problem = "there is a panel user of that name; delete it first"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    yield from do(WriteFile(path, Secret(htpasswd.with_user(octets, username, hashed)), 0o640))


VERBS = (
    Verb(
        "create_panel_user",
        "lets a user into the panel",
        (Schema({"username": USERNAME, "password": PASSWORD}),),
        privileged=create_panel_user,
    ),
)
