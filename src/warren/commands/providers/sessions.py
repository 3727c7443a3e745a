"""Sessions: the status of a user's sessions on this host, and their termination (G-31, G-32, V-54).

A session consists of its containers, by their label, of the VPN connections of their users, and of bootstrap sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from warren.commands.effects.containers import Container
from warren.commands.effects.effect import EffectError, Effects, do
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.locks import LockFile
from warren.commands.effects.openvpn import KillVpnSessions, ListVpnSessions, VpnSession
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.effects.records import DeleteRecord, GetMoment, GetRecord, PutRecord
from warren.commands.effects.system import GetTime
from warren.commands.providers import bootstrap
from warren.commands.providers.arguments import SESSION_ID, USERNAME
from warren.commands.providers.containers import (
    SESSION,
    STOPPED,
    USER,
    container_members,
    failed,
    list_own,
    lock_path,
    stop,
)
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings
from warren.commands.verb import Data, Verb, VerbContext

TERMINATING = "session_ending"
"""The kind of the records of partly terminated sessions: their users, so that the next attempt completes it."""
RETENTION_SECONDS = 86_400  # as long as a VPN connection may last
NO_SOCKET = "[services.openvpn] management is not set"


def session_status(args: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Show a user's sessions: `{username, active, sessions: [{session_id, containers}], vpn: […], unavailable: {…}}`.

    What is unknown is null, with the reason in `unavailable`; `active` is null if it depends on that.
    """
    now, username, unavailable = (yield from do(GetTime())), args["username"], dict[str, str]()
    containers = yield from try_list_containers(context, unavailable)
    connections = yield from try_list_connections(context, unavailable)
    own = (
        None
        if containers is None
        else [container for container in containers if container.labels.get(USER) == username]
    )
    vpn = None if connections is None else [_connection(each) for each in connections if each.username == username]
    is_active = bool(vpn) or any(container.state not in STOPPED for container in own or ())
    return {
        "username": username,
        "active": None if unavailable and not is_active else is_active,
        "sessions": None if own is None else _sessions(own, now),
        "vpn": vpn,
        "unavailable": unavailable,
    }


def terminate_session(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """End a session: `{session_terminated, containers_stopped, vpn_sessions_ended, bootstrap_revoked}`; idempotent.

    First it revokes what would let the user in again.

    Raises:
        CommandError: EXEC_FAILED if there is no such session, or with the list of what is left of it.
    """
    revoked = yield from bootstrap.revoke_all("session_id", args["session_id"])
    ended = dict((yield from do(RunPrivileged())))
    if not ended.pop("session_terminated", False) and not revoked:
        raise failed(f"unknown session {args['session_id']}")
    return {"session_terminated": True, **ended, "bootstrap_revoked": revoked}


def end_session(args: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """End the VPN connections before the containers, whose labels name the users."""
    settings: CommandSettings = context.settings
    session_id = args["session_id"]
    yield from do(LockFile(lock_path(settings)))
    own = [container for container in (yield from list_own(context)) if container.labels.get(SESSION) == session_id]
    before = yield from do(GetRecord(TERMINATING, session_id))
    if not own and before is None:
        return {"session_terminated": False, "containers_stopped": 0, "vpn_sessions_ended": None}
    users = {
        *_names((before or {}).get("users")),
        *(container.labels[USER] for container in own if USER in container.labels),
    }
    expires = (yield from do(GetMoment())).after(RETENTION_SECONDS)
    yield from do(PutRecord(TERMINATING, session_id, {"users": sorted(users)}, expires))
    connections, remaining = yield from _end_connections(settings, sorted(users))
    problems = yield from stop(context, own, "session")
    remaining += [f"container {name[:12]}: {problem}" for name, problem in problems.items()]
    if remaining:
        stopped = f"{len(own) - len(problems)} of {len(own)} containers are stopped"
        raise failed(f"{stopped}; remaining of session {session_id}: {'; '.join(remaining)}")
    yield from do(DeleteRecord(TERMINATING, session_id))
    yield from do(EmitEvent("session.terminated", {"session_id": session_id, "users": sorted(users)}))
    return {"session_terminated": True, "containers_stopped": len(own), "vpn_sessions_ended": connections}


def try_list_containers(context: VerbContext, unavailable: dict[str, str]) -> Effects[tuple[Container, ...] | None]:
    """List this agent's containers; on failure, put the reason into `unavailable` and return None."""
    try:
        return (yield from list_own(context))
    except EffectError as error:
        unavailable["containers"] = str(error)
        return None


def try_list_connections(context: VerbContext, unavailable: dict[str, str]) -> Effects[tuple[VpnSession, ...] | None]:
    """List all VPN connections; on failure, put the reason into `unavailable` and return None."""
    socket: str | None = context.settings.services.openvpn.management
    try:
        if socket is not None:
            return (yield from do(ListVpnSessions(socket)))
        unavailable["vpn"] = NO_SOCKET
    except EffectError as error:
        unavailable["vpn"] = str(error)
    return None


def _end_connections(settings: CommandSettings, users: Iterable[str]) -> Effects[tuple[int | None, list[str]]]:
    """Return the number of ended connections, None without a management socket; and what remains."""
    socket, remaining, ended = settings.services.openvpn.management, list[str](), 0
    if socket is None:
        return None, remaining
    for username in users:
        try:
            ended += yield from do(KillVpnSessions(socket, username))
        except EffectError as error:
            remaining.append(f"VPN connections of {username}: {error}")
    return ended, remaining


def _sessions(own: Iterable[Container], now: float) -> list[dict[str, object]]:
    by_session: dict[str, list[dict[str, object]]] = {}
    for container in own:
        members = container_members(container, now)
        by_session.setdefault(container.labels.get(SESSION, ""), []).append(members)
    return [{"session_id": name, "containers": containers} for name, containers in sorted(by_session.items())]


def _connection(session: VpnSession) -> dict[str, object]:
    return {
        "source": session.source,
        "addresses": [*session.addresses],
        "since": session.since,
        "received_bytes": session.received_bytes,
        "sent_bytes": session.sent_bytes,
    }


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


VERBS = (
    Verb(
        "get_session_status",
        "show a user's sessions: containers and VPN connections",
        (Schema({"username": USERNAME}),),
        read_only=True,
        privileged=session_status,
    ),
    Verb(
        "terminate_session",
        "end a session: its containers, VPN connections and login tokens",
        (Schema({"session_id": SESSION_ID}),),
        run=terminate_session,
        privileged=end_session,
    ),
)
