"""What the agent shows of signed commands: actions of the control socket, and what a person should know.

A node whose owner has pinned no root has neither keys nor libraries for them in memory; it answers that they are off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from warren.errors import StateError, WarrenError
from warren.local_client import Client
from warren.localapi.messages import Request
from warren.localapi.router import Action, Data
from warren.telemetry.conditions import Condition

ACTIONS = ("challenge", "command", "preview", "cancel", "output")


@dataclass(frozen=True, slots=True)
class CommandFrontend:
    """Open or not."""

    actions: Mapping[str, Action]
    conditions: Callable[[], Iterable[Condition]] = tuple


def commands_disabled() -> CommandFrontend:
    """The owner has not asked for commands."""
    problem = "signed commands are off on this node: [security] has no root whose word would count"
    return CommandFrontend(_refusing(StateError(problem, code="command.disabled")))


def commands_unavailable(error: WarrenError) -> CommandFrontend:
    """Something that they need cannot be used: that ends neither the agent nor a tunnel (trust.md)."""
    condition = Condition("command.unavailable", f"signed commands do not run: {error}; {error.hint}")
    return CommandFrontend(_refusing(error), lambda: (condition,))


def _refusing(error: WarrenError) -> Mapping[str, Action]:
    async def refuse(_request: Request, _client: Client, _now: float) -> Data:
        raise error

    return dict.fromkeys(ACTIONS, refuse)
