"""Verbs, which commands name, and periodic tasks, which no command asks for: the declarations of a provider.

A verb is one value: its name, the closed schema of its arguments, whether it only reads, and its two parts. The agent
executes `run`. The privileged process executes `privileged`, if there is one (`effects.privileged.RunPrivileged`).
Both are generators of effects. `registry` lists all verbs and tasks; it imports the providers, which import this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.commands.effects.effect import Effects, do
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.schema import Schema

RECHECK_SECONDS = 30.0  # half of the shortest lifetime: what was created after a check is seen before it expires

Data = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class VerbContext:
    """The context of an execution, besides its arguments."""

    agent_id: str
    corr_id: str
    actor: str
    settings: Any = None
    """The tables of the configuration, a `commands.settings.CommandSettings`."""


VerbHandler = Callable[[Mapping[str, Any], VerbContext], Effects[Data]]


def run_privileged(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
    """Run the privileged part: the agent's part of a verb that is privileged as a whole."""
    return (yield from do(RunPrivileged()))


@dataclass(frozen=True, slots=True)
class Verb:
    """An operation that a command can name."""

    name: str
    summary: str
    """One line, for `warren verbs`."""
    schemas: tuple[Schema, ...]
    """Closed; where there are two, the set of keys selects one (X-06)."""
    read_only: bool = False
    run: VerbHandler = run_privileged
    privileged: VerbHandler | None = None
    secret_data: frozenset[str] = field(default_factory=frozenset)
    """The fields of its answer that are sealed to the operator."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The outcome of one run of a periodic task."""

    removed: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    """The reason for each that could not be removed, by name."""
    next_run_seconds: float = RECHECK_SECONDS


PeriodicTask = Callable[[VerbContext], Effects[TaskResult]]
"""One run of a task that removes what has expired; run by the process that has the privileges."""
