"""What signed commands have from the rest of the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from warren.agent.io.rights import Rights


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Handed in by main."""

    rights: Rights
    group: asyncio.TaskGroup
    about: Callable[[], Mapping[str, object]]
    """What the agent knows of itself: `AskAgent`."""
