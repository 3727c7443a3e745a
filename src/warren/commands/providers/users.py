"""Users of both systems, OpenVPN and the panel: who there is, and the end of one (G-29, G-30, V-51)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.commands.effects.effect import EffectError, Effects, RunPrivileged, do
from warren.commands.providers import bootstrap, containers, openvpn, panel
from warren.commands.providers.arguments import USERNAME
from warren.commands.providers.openvpn_files import VpnFiles
from warren.commands.providers.script_provider import are_set, list_by_script, run_script, tell_of_user
from warren.commands.providers.vpn_revocation import end_openvpn_user, list_openvpn_users
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings
from warren.commands.verbs import Data, Verb, VerbContext

DELETED, ABSENT, NOT_SET_UP = "deleted", "absent", "not set up"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the user in one system."""

    system: str
    state: str
    """DELETED, ABSENT, NOT_SET_UP, or why it failed."""
    failed: bool = False
    sessions: int | None = None
    """How many were ended; None where nobody could be asked, or none can be."""


def delete_user(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """First what lets the user in anew, then the user: safe to repeat after any failure."""
    revoked = yield from bootstrap.end_of("username", args["username"])
    return {**(yield from do(RunPrivileged())), "bootstrap_revoked": revoked}


def delete_from_systems(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """Where one of the two fails the other is still done, and the user's containers are ended in any case.

    Raises CommandError EXEC_FAILED that says what became of each, SCRIPT_NOT_FOUND where neither is set up.
    """
    settings: CommandSettings = occasion.settings
    vpn = yield from _attempt(openvpn.SYSTEM, _delete_openvpn(settings, args["username"]))
    web = yield from _attempt(panel.SYSTEM, _delete_panel(settings, args["username"]))
    inside = yield from _attempt("containers", _end_containers(occasion, args["username"]))
    if vpn.failed or web.failed or inside.failed:
        halves = (vpn, web, inside) if inside.failed else (vpn, web)
        raise containers.failed("; ".join(f"{each.system}: {each.state}" for each in halves))
    if vpn.state == web.state == NOT_SET_UP:
        raise _nothing_set_up()
    for each in (vpn, web):
        if each.state == DELETED:
            yield from tell_of_user("user.deleted", args["username"], each.system)
    ended = {"sessions_ended": vpn.sessions, "containers_stopped": inside.sessions}
    return {"user_deleted": True, vpn.system: vpn.state, web.system: web.state, **ended}


def list_users(_: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """`{users: [{username, systems}], not_listed: [systems]}`: from the systems themselves, each time (G-30).

    A system whose users are made by scripts, and which has no script that lists them, is named in `not_listed`.
    """
    settings: CommandSettings = occasion.settings
    services, found = settings.services, dict[str, frozenset[str]]()
    if services.openvpn.directory is not None:
        found[openvpn.SYSTEM] = yield from list_openvpn_users(VpnFiles(services.openvpn.directory))
    elif openvpn.LIST in settings.scripts.entries:
        found[openvpn.SYSTEM] = yield from list_by_script(settings.scripts, openvpn.LIST)
    if services.panel.htpasswd is not None:
        found[panel.SYSTEM] = yield from panel.list_panel_users(services.panel.htpasswd)
    elif panel.LIST in settings.scripts.entries:
        found[panel.SYSTEM] = yield from list_by_script(settings.scripts, panel.LIST)
    names = sorted(frozenset[str]().union(*found.values()))
    users = [{"username": name, "systems": [each for each in found if name in found[each]]} for name in names]
    return {"users": users, "not_listed": [each for each in (openvpn.SYSTEM, panel.SYSTEM) if each not in found]}


def _attempt(system: str, part: Effects[Outcome]) -> Effects[Outcome]:
    try:
        return (yield from part)
    except (EffectError, CommandError) as error:
        return Outcome(system, str(error), failed=True)


def _delete_openvpn(settings: CommandSettings, username: str) -> Effects[Outcome]:
    built_in = settings.services.openvpn
    if built_in.directory is None:
        return (yield from _delete_by_script(settings, openvpn.SYSTEM, openvpn.DELETE, username))
    ended = yield from end_openvpn_user(built_in, VpnFiles(built_in.directory), username)
    return Outcome(openvpn.SYSTEM, DELETED if ended.was_there else ABSENT, sessions=ended.sessions)


def _delete_panel(settings: CommandSettings, username: str) -> Effects[Outcome]:
    path = settings.services.panel.htpasswd
    if path is None:
        return (yield from _delete_by_script(settings, panel.SYSTEM, panel.DELETE, username))
    was_there = yield from panel.delete_panel_user(path, username)
    return Outcome(panel.SYSTEM, DELETED if was_there else ABSENT)


def _end_containers(occasion: VerbContext, username: str) -> Effects[Outcome]:
    """Raises what an effect of it raises, CommandError EXEC_FAILED for those that do not end."""
    stopped = yield from containers.end_of_user(occasion, username)
    return Outcome("containers", DELETED, sessions=stopped)


def _delete_by_script(settings: CommandSettings, system: str, name: str, username: str) -> Effects[Outcome]:
    """Whether there was such a user the script alone knows."""
    if not are_set(settings.scripts, name):
        return Outcome(system, NOT_SET_UP)
    yield from run_script(settings.scripts, name, username)
    return Outcome(system, DELETED)


def _nothing_set_up() -> CommandError:
    problem = "neither OpenVPN nor the panel is set up: there is no directory, no htpasswd and no script to delete by"
    return CommandError(Code.SCRIPT_NOT_FOUND, problem, Status.ERROR)


VERBS = (
    Verb(
        "delete_user",
        "ends a user in both systems, with sessions and bootstrap secrets",
        (Schema({"username": USERNAME}),),
        run=delete_user,
        privileged=delete_from_systems,
    ),
    Verb(
        "list_users",
        "names the users of both systems, as the systems have them now",
        (Schema(),),
        read_only=True,
        privileged=list_users,
    ),
)
