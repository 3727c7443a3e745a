"""Panel users: lines of the file that nginx reads, or users created by the owner's scripts (G-28, V-49)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.commands.effects.effect import Effects, Secret, do
from warren.commands.effects.files import ReadFile, WriteFile
from warren.commands.effects.locks import LockFile
from warren.commands.effects.passwords import HashPassword
from warren.commands.providers import htpasswd
from warren.commands.providers.arguments import PASSWORD, USERNAME
from warren.commands.providers.script_provider import emit_user_event, run_script
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings
from warren.commands.verb import Data, Verb, VerbContext

SYSTEM = "panel"
CREATE, DELETE, LIST = "panel_create", "panel_delete", "panel_list"
MAX_FILE_BYTES = 16 << 20  # 150,000 users


def create_panel_user(args: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Create a panel user.

    Raises:
        CommandError: EXEC_FAILED if the user already exists; its password is not changed.
    """
    settings: CommandSettings = context.settings
    panel, password = settings.services.panel, Secret(args["password"].encode())
    if panel.htpasswd is None:
        yield from run_script(settings.scripts, CREATE, args["username"], password)
    else:
        hashed = yield from do(HashPassword(password, panel.bcrypt_cost))
        yield from _add(panel.htpasswd, args["username"], hashed)
    yield from emit_user_event("user.created", args["username"], SYSTEM)
    return {"user_created": True}


def delete_panel_user(path: str, username: str) -> Effects[bool]:
    """Delete a user from this file; return whether there was one."""
    before = yield from read_locked(path)
    after = htpasswd.without_user(before, username)
    if after != before:
        yield from do(WriteFile(path, Secret(after), 0o640))
    return after != before


def list_panel_users(path: str) -> Effects[frozenset[str]]:
    """List the users of this file."""
    return htpasswd.names((yield from do(ReadFile(path, MAX_FILE_BYTES))) or b"")


def read_locked(path: str) -> Effects[bytes]:
    """Lock the file until this command ends and return its octets."""
    yield from do(LockFile(f"{path}.lock"))
    octets = yield from do(ReadFile(path, MAX_FILE_BYTES))
    if octets is None:
        # A file that is created here would be readable by root only, not by nginx.
        problem = f"{path} does not exist; create it for nginx's group: install -m 640 -g www-data /dev/null {path}"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return octets


def _add(path: str, username: str, hashed: str) -> Effects[None]:
    octets = yield from read_locked(path)
    if username in htpasswd.names(octets):
        problem = "panel user already exists; delete it first"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    yield from do(WriteFile(path, Secret(htpasswd.with_user(octets, username, hashed)), 0o640))


VERBS = (
    Verb(
        "create_panel_user",
        "create a panel user",
        (Schema({"username": USERNAME, "password": PASSWORD}),),
        privileged=create_panel_user,
    ),
)
