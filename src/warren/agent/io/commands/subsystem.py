"""Open signed commands, or the actions that say why there are none.

A node whose owner has pinned no trust root has neither keys for commands nor their libraries in memory (10 MB).
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import random
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NoReturn

from warren.agent.io.commands.actions import CommandActions
from warren.agent.io.commands.context import AgentContext
from warren.agent.subsystem import Subsystem
from warren.backoff import Backoff, BackoffPolicy
from warren.clock import monotonic_seconds
from warren.commands.settings import CommandSettings
from warren.errors import StateError, WarrenError
from warren.localapi.action import Action
from warren.telemetry.conditions import Condition

if TYPE_CHECKING:
    from warren.agent.io.commands.command_service import CommandService
    from warren.agent.io.commands.local_ingress import LocalIngress

NAME = "commands"
SERVICE = "warren.agent.io.commands.command_service"
LATE_IMPORTS = (
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.x25519",
    "cryptography.hazmat.primitives.hpke",
)
"""Modules that the service's imports load only when they first need them."""

RETRY = BackoffPolicy.exponential(1.0, 30.0)
"""Before the next attempt to open the service. A lasting cause is retried too: a person may remove it meanwhile."""

log = logging.getLogger(__name__)


def import_command_service(settings: CommandSettings) -> None:
    """Import all that commands need. Call it before the drop of privileges: afterwards files may be unreadable."""
    if settings.security.root:
        for module in (SERVICE, *LATE_IMPORTS):
            importlib.import_module(module)


async def open_commands(settings: CommandSettings, context: AgentContext, resources: AsyncExitStack) -> Subsystem:
    """Open signed commands until `resources` closes.

    Raises no WarrenError: what cannot be opened becomes a condition, the tunnels stay up (trust.md), and it is tried
    again until it can.
    """
    if not settings.security.root:
        problem = "signed commands are disabled on this node: no trust root is pinned in [security]"
        return Subsystem(NAME, actions=_failing(StateError(problem, code="command.disabled")))
    opened = CommandOpener(settings, context, resources)
    await opened.attempt()
    return Subsystem(NAME, opened.run, opened.conditions, CommandActions(opened.ingress).actions())


class CommandOpener:
    """The service once it can be opened; until then, the reason why it cannot."""

    def __init__(self, settings: CommandSettings, context: AgentContext, resources: AsyncExitStack) -> None:
        self._settings = settings
        self._context = context
        self._resources = resources
        self._service: CommandService | None = None
        self._is_closed = False
        self._backoff = Backoff(RETRY, random.random)
        resources.callback(self._close)

    async def attempt(self) -> CommandService | None:
        """Open the service and return it. A reason that prevents it is kept for `conditions` and `ingress`."""
        opening = importlib.import_module(SERVICE).open_command_service(self._settings, self._context)
        try:
            self._service = await self._resources.enter_async_context(opening)
        except WarrenError as error:
            if str(error) != str(self._backoff.cause):
                fields = {"code": error.code, "error": str(error)}
                log.error("command.unavailable", extra=fields)  # noqa: TRY400, no traceback
            self._backoff.fail(error, monotonic_seconds())
        return self._service

    async def run(self) -> None:
        """Try until the service is open, then run it until cancelled."""
        service = self._service
        while service is None:
            await asyncio.sleep(self._backoff.remaining_seconds(monotonic_seconds()))
            if self._is_closed:
                return
            if (service := await self.attempt()) is not None:
                log.info("command.opened")
        await service.run()

    def conditions(self) -> Iterable[Condition]:
        """Return the conditions of the service, or why there is none."""
        if self._service is not None:
            return self._service.conditions()
        error = self._error
        return (Condition("command.unavailable", f"signed commands are unavailable: {error}; {error.hint}"),)

    def ingress(self) -> LocalIngress:
        """Return the ingress of the service. Raises WarrenError for the reason why there is none."""
        if self._service is None:
            raise self._error
        return self._service.ingress

    @property
    def _error(self) -> WarrenError:
        cause = self._backoff.cause
        return StateError("signed commands are opening", code="command.disabled") if cause is None else cause

    def _close(self) -> None:
        self._is_closed = True


def _failing(error: WarrenError) -> tuple[Action, ...]:
    """Return the actions of a node without commands: each of them raises `error`."""

    def no_ingress() -> NoReturn:
        raise error

    return CommandActions(no_ingress).actions()
