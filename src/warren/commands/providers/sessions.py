"""Sessions: what a user has open on this host, and the end of one (G-31, G-32, V-54).

A session is its containers, by their label, the VPN connections of their users, and what bootstrap secrets opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from warren.commands.effects.containers import Container
from warren.commands.effects.effect import (
    DeleteRecord,
    EffectError,
    Effects,
    Emit,
    GetRecord,
    LockFile,
    Now,
    PutRecord,
    RunPrivileged,
    do,
)
from warren.commands.effects.openvpn import EndVpnSessions, ListVpnSessions, VpnSession
from warren.commands.providers import bootstrap
from warren.commands.providers.arguments import SESSION_ID, USERNAME
from warren.commands.providers.containers import (
    ENDED,
    SESSION,
    USER,
    end,
    failed,
    list_own,
    lock_of,
    told,
)
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings
from warren.commands.verbs import Data, Verb, VerbContext

ENDING = "session_ending"
"""The kind of records of sessions that were ended by halves: whose they are, so that the next attempt ends the rest."""
KEPT_SECONDS = 86_400  # as long as a VPN connection may last
NO_SOCKET = "OpenVPN has no management socket in [services.openvpn]"


def session_status(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """`{username, active, sessions: [{session_id, containers}], vpn: […], unavailable: {…}}`.

    What cannot be known is null and says why; `active` is null where that leaves it open.
    """
    now, username, unavailable = (yield from do(Now())), args["username"], dict[str, str]()
    containers = yield from containers_known(occasion, unavailable)
    connections = yield from connections_known(occasion, unavailable)
    own = None if containers is None else [each for each in containers if each.labels.get(USER) == username]
    vpn = None if connections is None else [_connection(each) for each in connections if each.username == username]
    is_active = bool(vpn) or any(each.state not in ENDED for each in own or ())
    return {
        "username": username,
        "active": None if unavailable and not is_active else is_active,
        "sessions": None if own is None else _sessions(own, now),
        "vpn": vpn,
        "unavailable": unavailable,
    }


def terminate_session(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """`{session_terminated, containers_stopped, vpn_sessions_ended, bootstrap_revoked}`: safe to repeat.

    First what lets the user in anew. Raises CommandError EXEC_FAILED that says what is left, or that there is no such
    session.
    """
    revoked = yield from bootstrap.end_of("session_id", args["session_id"])
    ended = dict((yield from do(RunPrivileged())))
    if not ended.pop("session_terminated", False) and not revoked:
        raise failed(f"there is no session {args['session_id']} on this host")
    return {"session_terminated": True, **ended, "bootstrap_revoked": revoked}


def end_session(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """Connections of the VPN go before the containers, which are what says whose they are."""
    settings: CommandSettings = occasion.settings
    session_id = args["session_id"]
    yield from do(LockFile(lock_of(settings)))
    own = [each for each in (yield from list_own(occasion)) if each.labels.get(SESSION) == session_id]
    before = yield from do(GetRecord(ENDING, session_id))
    if not own and before is None:
        return {"session_terminated": False, "containers_stopped": 0, "vpn_sessions_ended": None}
    users = {*_names((before or {}).get("users")), *(each.labels[USER] for each in own if USER in each.labels)}
    expires = int((yield from do(Now()))) + KEPT_SECONDS
    yield from do(PutRecord(ENDING, session_id, {"users": sorted(users)}, expires))
    connections, left = yield from _end_connections(settings, sorted(users))
    problems = yield from end(occasion, own, "session")
    left += [f"container {each[:12]}: {problem}" for each, problem in problems.items()]
    if left:
        done = f"{len(own) - len(problems)} of {len(own)} containers are stopped"
        raise failed(f"{done}; what is left of session {session_id}: {'; '.join(left)}")
    yield from do(DeleteRecord(ENDING, session_id))
    yield from do(Emit("session.terminated", {"session_id": session_id, "users": sorted(users)}))
    return {"session_terminated": True, "containers_stopped": len(own), "vpn_sessions_ended": connections}


def containers_known(occasion: VerbContext, unavailable: dict[str, str]) -> Effects[tuple[Container, ...] | None]:
    """This agent's; where they cannot be known, `unavailable` gets the reason."""
    try:
        return (yield from list_own(occasion))
    except EffectError as error:
        unavailable["containers"] = str(error)
        return None


def connections_known(occasion: VerbContext, unavailable: dict[str, str]) -> Effects[tuple[VpnSession, ...] | None]:
    """Everybody's."""
    socket: str | None = occasion.settings.services.openvpn.management
    try:
        if socket is not None:
            return (yield from do(ListVpnSessions(socket)))
        unavailable["vpn"] = NO_SOCKET
    except EffectError as error:
        unavailable["vpn"] = str(error)
    return None


def _end_connections(settings: CommandSettings, users: Iterable[str]) -> Effects[tuple[int | None, list[str]]]:
    """How many there were, None where nobody can be asked; and what is left."""
    socket, left, ended = settings.services.openvpn.management, list[str](), 0
    if socket is None:
        return None, left
    for username in users:
        try:
            ended += yield from do(EndVpnSessions(socket, username))
        except EffectError as error:
            left.append(f"VPN connections of {username}: {error}")
    return ended, left


def _sessions(own: Iterable[Container], now: float) -> list[dict[str, object]]:
    by_session: dict[str, list[dict[str, object]]] = {}
    for each in own:
        by_session.setdefault(each.labels.get(SESSION, ""), []).append(told(each, now))
    return [{"session_id": name, "containers": each} for name, each in sorted(by_session.items())]


def _connection(session: VpnSession) -> dict[str, object]:
    return {
        "source": session.source,
        "addresses": [*session.addresses],
        "since": session.since,
        "received_bytes": session.received_bytes,
        "sent_bytes": session.sent_bytes,
    }


def _names(found: object) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list | tuple) else []


VERBS = (
    Verb(
        "get_session_status",
        "what a user has open on this host: containers and VPN connections",
        (Schema({"username": USERNAME}),),
        read_only=True,
        privileged=session_status,
    ),
    Verb(
        "terminate_session",
        "ends a session: its containers, its users' VPN connections, its bootstrap secrets",
        (Schema({"session_id": SESSION_ID}),),
        run=terminate_session,
        privileged=end_session,
    ),
)
