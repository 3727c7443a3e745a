"""The effect that emits an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from warren.commands.effects.effect import Effect

EventSink = Callable[[str, Mapping[str, object]], None]
"""Takes the name and the fields of an event."""


@dataclass(frozen=True, slots=True)
class EmitEvent(Effect[None]):
    """Emit an event for people and for the controller: `container.started`, `user.created`, `script.changed` (V-83)."""

    event: str
    fields: Mapping[str, object] = field(default_factory=dict)
