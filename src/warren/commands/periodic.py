"""What is due by itself, and no command asks for: users and containers whose time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from warren.commands.effects.effect import Effects
from warren.commands.verbs import VerbContext

LOOK_AGAIN_SECONDS = 30.0  # half of the shortest life: what was made after a look is seen before its end


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one look found."""

    ended: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    """By name, why not."""
    again_seconds: float = LOOK_AGAIN_SECONDS
    """When to look again."""


Due = Callable[[VerbContext], Effects[TaskResult]]
"""One look, by whoever has the rights."""
