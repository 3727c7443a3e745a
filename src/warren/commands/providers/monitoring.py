"""get_monitoring_data: the state of the host, and the numbers of users, containers and sessions (V-55)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.commands.effects.containers import Container
from warren.commands.effects.effect import EffectError, Effects
from warren.commands.providers.containers import SESSION, STOPPED
from warren.commands.providers.sessions import try_list_connections, try_list_containers
from warren.commands.providers.system import monitoring_data
from warren.commands.providers.users import list_users
from warren.commands.result import CommandError
from warren.commands.schema import Schema
from warren.commands.verb import Data, Verb, VerbContext


def counts(_: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Count users, containers and sessions: an unknown number is null, and `unavailable` has the reason."""
    unavailable = dict[str, str]()
    users = yield from _users(context, unavailable)
    containers = yield from try_list_containers(context, unavailable)
    connections = yield from try_list_connections(context, unavailable)
    return {
        "users": users,
        "containers": None if containers is None else _containers(containers),
        "sessions": {
            "count": None if containers is None else len(_session_ids(containers)),
            "vpn": None if connections is None else len(connections),
        },
        "unavailable": unavailable,
    }


def _users(context: VerbContext, unavailable: dict[str, str]) -> Effects[Data | None]:
    try:
        listing: Mapping[str, Any] = yield from list_users({}, context)
    except (EffectError, CommandError) as error:
        unavailable["users"] = str(error)
        return None
    if listing["not_listed"]:
        unavailable["users"] = f"cannot be listed on this host: {', '.join(listing['not_listed'])}"
    return {"count": len(listing["users"]), "not_listed": listing["not_listed"]}


def _containers(containers: tuple[Container, ...]) -> Data:
    running = sum(container.state == "running" for container in containers)
    return {"count": len(containers), "running": running}


def _session_ids(containers: tuple[Container, ...]) -> frozenset[str]:
    live = (container for container in containers if container.state not in STOPPED)
    return frozenset(container.labels.get(SESSION, "") for container in live)


VERBS = (
    Verb(
        "get_monitoring_data",
        "show the state of this host: metrics, services, users, containers, sessions",
        (Schema(),),
        read_only=True,
        run=monitoring_data,
        privileged=counts,
    ),
)
