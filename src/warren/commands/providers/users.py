"""Users of both systems, OpenVPN and the panel: their list, and the deletion of one (G-29, G-30, V-51)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.commands.effects.effect import EffectError, Effects, do
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.providers import bootstrap, containers, openvpn, panel
from warren.commands.providers.arguments import USERNAME
from warren.commands.providers.openvpn_files import VpnFiles
from warren.commands.providers.script_provider import are_set, emit_user_event, list_by_script, run_script
from warren.commands.providers.vpn_revocation import delete_openvpn_user, list_openvpn_users
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings
from warren.commands.verb import Data, Verb, VerbContext

DELETED, ABSENT, NOT_CONFIGURED = "deleted", "absent", "not set up"


@dataclass(frozen=True, slots=True)
class Deletion:
    """The outcome of a deletion in one system."""

    system: str
    state: str
    """DELETED, ABSENT, NOT_CONFIGURED, or the error."""
    failed: bool = False
    sessions: int | None = None
    """How many sessions or containers were ended; None if unknown."""


def delete_user(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """Delete a user; first revoke what would let the user in again. Idempotent after any failure."""
    revoked = yield from bootstrap.revoke_all("username", args["username"])
    return {**(yield from do(RunPrivileged())), "bootstrap_revoked": revoked}


def delete_from_systems(args: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Delete a user from both systems, also if one of them fails, and stop the user's containers in any case.

    Raises:
        CommandError: EXEC_FAILED with the outcome in each system; SCRIPT_NOT_FOUND if neither is configured.
    """
    settings: CommandSettings = context.settings
    vpn = yield from _attempt(openvpn.SYSTEM, _delete_openvpn(settings, args["username"]))
    web = yield from _attempt(panel.SYSTEM, _delete_panel(settings, args["username"]))
    stopped = yield from _attempt("containers", _stop_containers(context, args["username"]))
    if vpn.failed or web.failed or stopped.failed:
        deletions = (vpn, web, stopped) if stopped.failed else (vpn, web)
        raise containers.failed("; ".join(f"{deletion.system}: {deletion.state}" for deletion in deletions))
    if vpn.state == web.state == NOT_CONFIGURED:
        raise _nothing_configured()
    for deletion in (vpn, web):
        if deletion.state == DELETED:
            yield from emit_user_event("user.deleted", args["username"], deletion.system)
    ended = {"sessions_ended": vpn.sessions, "containers_stopped": stopped.sessions}
    return {"user_deleted": True, vpn.system: vpn.state, web.system: web.state, **ended}


def list_users(_: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """List users: `{users: [{username, systems}], not_listed: [systems]}`, read from the systems each time (G-30).

    `not_listed` names a system whose users are created by scripts, without a script that lists them.
    """
    settings: CommandSettings = context.settings
    services, listed = settings.services, dict[str, frozenset[str]]()
    if services.openvpn.directory is not None:
        listed[openvpn.SYSTEM] = yield from list_openvpn_users(VpnFiles(services.openvpn.directory))
    elif openvpn.LIST in settings.scripts.entries:
        listed[openvpn.SYSTEM] = yield from list_by_script(settings.scripts, openvpn.LIST)
    if services.panel.htpasswd is not None:
        listed[panel.SYSTEM] = yield from panel.list_panel_users(services.panel.htpasswd)
    elif panel.LIST in settings.scripts.entries:
        listed[panel.SYSTEM] = yield from list_by_script(settings.scripts, panel.LIST)
    names = sorted(frozenset[str]().union(*listed.values()))
    users = [{"username": name, "systems": [system for system in listed if name in listed[system]]} for name in names]
    return {"users": users, "not_listed": [system for system in (openvpn.SYSTEM, panel.SYSTEM) if system not in listed]}


def _attempt(system: str, part: Effects[Deletion]) -> Effects[Deletion]:
    try:
        return (yield from part)
    except (EffectError, CommandError) as error:
        return Deletion(system, str(error), failed=True)


def _delete_openvpn(settings: CommandSettings, username: str) -> Effects[Deletion]:
    built_in = settings.services.openvpn
    if built_in.directory is None:
        return (yield from _delete_by_script(settings, openvpn.SYSTEM, openvpn.DELETE, username))
    deleted = yield from delete_openvpn_user(built_in, VpnFiles(built_in.directory), username)
    return Deletion(openvpn.SYSTEM, DELETED if deleted.existed else ABSENT, sessions=deleted.sessions)


def _delete_panel(settings: CommandSettings, username: str) -> Effects[Deletion]:
    path = settings.services.panel.htpasswd
    if path is None:
        return (yield from _delete_by_script(settings, panel.SYSTEM, panel.DELETE, username))
    existed = yield from panel.delete_panel_user(path, username)
    return Deletion(panel.SYSTEM, DELETED if existed else ABSENT)


def _stop_containers(context: VerbContext, username: str) -> Effects[Deletion]:
    """Stop the user's containers. Raises CommandError EXEC_FAILED for those that cannot be removed."""
    count = yield from containers.stop_of_user(context, username)
    return Deletion("containers", DELETED, sessions=count)


def _delete_by_script(settings: CommandSettings, system: str, name: str, username: str) -> Effects[Deletion]:
    """Delete by script, which alone knows whether the user existed."""
    if not are_set(settings.scripts, name):
        return Deletion(system, NOT_CONFIGURED)
    yield from run_script(settings.scripts, name, username)
    return Deletion(system, DELETED)


def _nothing_configured() -> CommandError:
    problem = "neither OpenVPN nor the panel is configured: no directory, no htpasswd, no script"
    return CommandError(Code.SCRIPT_NOT_FOUND, problem, Status.ERROR)


VERBS = (
    Verb(
        "delete_user",
        "delete a user from OpenVPN and the panel",
        (Schema({"username": USERNAME}),),
        run=delete_user,
        privileged=delete_from_systems,
    ),
    Verb(
        "list_users",
        "list users",
        (Schema(),),
        read_only=True,
        privileged=list_users,
    ),
)
