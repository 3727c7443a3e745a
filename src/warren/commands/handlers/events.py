"""Performs EmitEvent: adds the command's corr_id."""

from __future__ import annotations

from warren.commands.effects.events import EmitEvent
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.resources import Resources


def handlers(resources: Resources) -> Handlers:
    """Return the handler."""

    async def emit(effect: EmitEvent, execution: Execution) -> None:
        resources.emit_event(effect.event, {"corr_id": execution.command.corr_id, **effect.fields})

    return {EmitEvent: emit}
