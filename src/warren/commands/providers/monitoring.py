"""get_monitoring_data: all there is to know of the host at once, and how many users, containers and sessions (V-55)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.commands.effects.containers import Container
from warren.commands.effects.effect import EffectError, Effects
from warren.commands.providers.containers import ENDED, SESSION
from warren.commands.providers.sessions import connections_known, containers_known
from warren.commands.providers.system import monitoring_data
from warren.commands.providers.users import list_users
from warren.commands.result import CommandError
from warren.commands.schema import Schema
from warren.commands.verbs import Data, Verb, VerbContext


def counts(_: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """`{users, containers, sessions, unavailable}`; what cannot be known is null, and `unavailable` says why."""
    unavailable = dict[str, str]()
    users = yield from _users(occasion, unavailable)
    containers = yield from containers_known(occasion, unavailable)
    connections = yield from connections_known(occasion, unavailable)
    return {
        "users": users,
        "containers": None if containers is None else _containers(containers),
        "sessions": {
            "count": None if containers is None else len(_session_ids(containers)),
            "vpn": None if connections is None else len(connections),
        },
        "unavailable": unavailable,
    }


def _users(occasion: VerbContext, unavailable: dict[str, str]) -> Effects[Data | None]:
    try:
        found: Mapping[str, Any] = yield from list_users({}, occasion)
    except (EffectError, CommandError) as error:
        unavailable["users"] = str(error)
        return None
    if found["not_listed"]:
        unavailable["users"] = f"not set up to be listed here: {', '.join(found['not_listed'])}"
    return {"count": len(found["users"]), "not_listed": found["not_listed"]}


def _containers(found: tuple[Container, ...]) -> Data:
    return {"count": len(found), "running": sum(each.state == "running" for each in found)}


def _session_ids(found: tuple[Container, ...]) -> frozenset[str]:
    return frozenset(each.labels.get(SESSION, "") for each in found if each.state not in ENDED)


VERBS = (
    Verb(
        "get_monitoring_data",
        "all there is to know of this host at once",
        (Schema(),),
        read_only=True,
        run=monitoring_data,
        privileged=counts,
    ),
)
