"""Performs the effects that read the agent's own state."""

from __future__ import annotations

from collections.abc import Mapping

from warren.commands.effects.agent import GetAgentState, ListRecentCommands
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.resources import Resources


def handlers(resources: Resources) -> Handlers:
    """Return the handlers; none outside the agent."""
    agent = resources.agent
    if agent is None:
        return {}

    async def get_state(_: GetAgentState, __: Execution) -> Mapping[str, object]:
        return agent.state()

    async def list_recent(effect: ListRecentCommands, _: Execution) -> tuple[Mapping[str, object], ...]:
        return agent.recent_commands(effect.count)

    return {GetAgentState: get_state, ListRecentCommands: list_recent}
