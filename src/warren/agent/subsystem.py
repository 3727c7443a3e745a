"""Define what a subsystem of the agent hands to `main`: the task it runs, its conditions, and its actions.

`main` lists the subsystems once, runs each as a named task of one TaskGroup, and concatenates their conditions and
actions. Nothing else has to know which subsystems there are.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from warren.localapi.action import Action
from warren.telemetry.conditions import Condition


async def nothing_to_run() -> None:
    """Return at once: a subsystem without a task of its own."""


@dataclass(frozen=True, slots=True)
class Subsystem:
    """Describe one subsystem of the agent."""

    name: str
    """The name of its task."""
    run: Callable[[], Coroutine[Any, Any, None]] = nothing_to_run
    """Works until it is cancelled, or until it has nothing more to do. An exception ends the agent."""
    conditions: Callable[[], Iterable[Condition]] = tuple
    """Returns what a person should look at now."""
    actions: tuple[Action, ...] = ()
    """Actions of the control socket."""
