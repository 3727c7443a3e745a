"""The registry of verbs: exactly those of documents 001 and 004, G-26 and V-46.

A verb is one value: its name, the closed schema of its arguments, whether it only reads, and its two parts. The agent
executes `run`. A process with the rights of root executes `privileged`, where there is one (`effects.RunPrivileged`).
Both are generators of effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.commands.effects.effect import Effects, RunPrivileged, do
from warren.commands.schema import Schema

Data = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class VerbContext:
    """What a verb may know beside its arguments."""

    agent_id: str
    corr_id: str
    actor: str
    settings: Any = None
    """The tables of the configuration, as `commands.settings.CommandSettings`."""


VerbHandler = Callable[[Mapping[str, Any], VerbContext], Effects[Data]]


def run_privileged(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
    """The agent's part of a verb that is privileged as a whole."""
    return (yield from do(RunPrivileged()))


@dataclass(frozen=True, slots=True)
class Verb:
    """One of them."""

    name: str
    about: str
    """One line, for `warren verbs`."""
    schemas: tuple[Schema, ...]
    """Closed; where there are two, the set of keys says which (X-06)."""
    read_only: bool = False
    run: VerbHandler = run_privileged
    privileged: VerbHandler | None = None
    secret_data: frozenset[str] = field(default_factory=frozenset)
    """Which fields of its answer are sealed to the operator."""
