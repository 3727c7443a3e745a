"""Whether signed commands run here, decided before anything of theirs is imported."""

from __future__ import annotations

import importlib
import logging
from contextlib import AsyncExitStack

from warren.agent.command_api import CommandFrontend, commands_disabled, commands_unavailable
from warren.agent.io.agent_context import AgentContext
from warren.commands.settings import CommandSettings
from warren.errors import WarrenError

COMMANDING = "warren.agent.io.command_service"
"""Imported by who wants commands alone: 10 MB."""
ITS_LATE_IMPORTS = (
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.x25519",
    "cryptography.hazmat.primitives.hpke",
)

log = logging.getLogger(__name__)


def import_command_service(settings: CommandSettings) -> None:
    """All that they need, while this process can still read it: to be called before the drop."""
    if settings.security.root:
        for module in (COMMANDING, *ITS_LATE_IMPORTS):
            importlib.import_module(module)


async def open_commands(settings: CommandSettings, around: AgentContext, ends: AsyncExitStack) -> CommandFrontend:
    """Until `ends`. Raises nothing: what is wrong with them is a condition, and the tunnels stay up."""
    if not settings.security.root:
        return commands_disabled()
    opening = importlib.import_module(COMMANDING).open_command_service(settings, around)
    try:
        door: CommandFrontend = await ends.enter_async_context(opening)
    except WarrenError as error:
        log.error("commands.unavailable", extra={"code": error.code, "error": str(error)})  # noqa: TRY400, no traceback
        return commands_unavailable(error)
    return door
