"""Effects that read the agent's own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class GetAgentState(Effect[Mapping[str, object]]):
    """Return networks with their states, conditions, and the expiry of certificates."""

    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ListRecentCommands(Effect[tuple[Mapping[str, object], ...]]):
    """Return the last commands, newest first, without their arguments."""

    reads: ClassVar[bool] = True

    count: int
