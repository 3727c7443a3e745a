"""Open signed commands, or the actions that say why there are none.

A node whose owner has pinned no trust root has neither keys for commands nor their libraries in memory (10 MB).
"""

from __future__ import annotations

import importlib
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NoReturn

from warren.agent.io.commands.actions import CommandActions
from warren.agent.io.commands.context import AgentContext
from warren.agent.subsystem import Subsystem
from warren.commands.settings import CommandSettings
from warren.errors import StateError, WarrenError
from warren.localapi.action import Action
from warren.telemetry.conditions import Condition

if TYPE_CHECKING:
    from warren.agent.io.commands.command_service import CommandService

NAME = "commands"
SERVICE = "warren.agent.io.commands.command_service"
LATE_IMPORTS = (
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.x25519",
    "cryptography.hazmat.primitives.hpke",
)
"""Modules that the service's imports load only when they first need them."""

log = logging.getLogger(__name__)


def import_command_service(settings: CommandSettings) -> None:
    """Import all that commands need. Call it before the drop of privileges: afterwards files may be unreadable."""
    if settings.security.root:
        for module in (SERVICE, *LATE_IMPORTS):
            importlib.import_module(module)


async def open_commands(settings: CommandSettings, context: AgentContext, resources: AsyncExitStack) -> Subsystem:
    """Open signed commands until `resources` closes.

    Raises no WarrenError: what cannot be opened becomes a condition, and the tunnels stay up (trust.md).
    """
    if not settings.security.root:
        problem = "signed commands are disabled on this node: no trust root is pinned in [security]"
        return Subsystem(NAME, actions=_failing(StateError(problem, code="command.disabled")))
    opening = importlib.import_module(SERVICE).open_command_service(settings, context)
    try:
        service: CommandService = await resources.enter_async_context(opening)
    except WarrenError as error:
        log.error("command.unavailable", extra={"code": error.code, "error": str(error)})  # noqa: TRY400, no traceback
        condition = Condition("command.unavailable", f"signed commands are unavailable: {error}; {error.hint}")
        return Subsystem(NAME, conditions=lambda: (condition,), actions=_failing(error))
    actions = CommandActions(lambda: service.ingress).actions()
    return Subsystem(NAME, service.run, service.conditions, actions)


def _failing(error: WarrenError) -> tuple[Action, ...]:
    """Return the actions of a node without commands: each of them raises `error`."""

    def no_ingress() -> NoReturn:
        raise error

    return CommandActions(no_ingress).actions()
