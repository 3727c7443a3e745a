"""Request actions of simulated networks without a socket, with the permissions of a host's agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from tests.localapi.simulator import NOW, SimulatedNetworks
from warren.local_client import Client, Group
from warren.localapi.action import Action
from warren.localapi.agent_actions import AgentActions
from warren.localapi.messages import ErrorType, Failure, Request
from warren.localapi.network_actions import NetworkActions
from warren.localapi.permissions import Permissions, PermissionTable
from warren.localapi.router import ActionRouter, RejectionCounter
from warren.telemetry.conditions import Condition
from warren.tunnel.network_table import network_from_json

ROOT = Client(0, 0, 4242)
READER = Client(1000, 901, 4243)
ADMIN = Client(1000, 902, 4245)
STRANGER = Client(1000, 1000, 4244)
RULES = Permissions(Group("warren-read", 901), Group("warren-admin", 902))
CONDITION = Condition("audit.unwritable", "the clock is an hour off")


def agent_actions(networks: SimulatedNetworks, stop: Callable[[], None] = lambda: None) -> tuple[Action, ...]:
    """Return the actions of an agent that runs no commands."""
    return (
        *NetworkActions(networks, network_from_json, ["/etc/warren/keys"]).actions(),
        *AgentActions(networks, lambda: {"version": "1.2.3"}, lambda: [CONDITION], stop).actions(),
    )


def router(actions: Iterable[Action], rejections: RejectionCounter | None = None) -> ActionRouter:
    """Return a router of these actions."""
    return ActionRouter(PermissionTable(actions, RULES), rejections or RejectionCounter())


def ask(
    networks: SimulatedNetworks,
    action: str,
    network: str = "default",
    config: Mapping[str, object] | None = None,
    *,
    client: Client = ROOT,
) -> Mapping[str, object] | Failure:
    """Return the result of a request once its action has finished."""
    request = Request("1", action, network, config)
    response = asyncio.run(router(agent_actions(networks)).respond(request, client, NOW))
    assert response.id == "1"
    return response.result


def rejected(networks: SimulatedNetworks, action: str, *args: object, client: Client = ROOT) -> tuple[ErrorType, str]:
    """Return the type and the message of a request that fails."""
    failure = ask(networks, action, *args, client=client)  # type: ignore[arg-type] # as they are handed on
    assert isinstance(failure, Failure)
    return failure.type, failure.message
