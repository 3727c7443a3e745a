"""The registry of verbs: exactly those of documents 001 and 004, G-26 and V-46.

A verb is one value: its name, the closed schema of its arguments, whether it only reads, and its two parts. `run` is
carried out by the agent; `privileged`, where there is one, by whoever has the rights (see `effects.CarryOut`). Both are
generators of effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.commands.effects import CarryOut, Effects, do
from warren.commands.schema import Schema

Data = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a verb may know beside its arguments."""

    agent_id: str
    corr_id: str
    actor: str
    settings: Any = None
    """The tables of the configuration, as `commands.settings.CommandSettings`."""


Part = Callable[[Mapping[str, Any], Occasion], Effects[Data]]


def carry_out(_: Mapping[str, Any], __: Occasion) -> Effects[Data]:
    """The agent's part of a verb that is privileged as a whole."""
    return (yield from do(CarryOut()))


@dataclass(frozen=True, slots=True)
class Verb:
    """One of them."""

    name: str
    about: str
    """One line, for `warren verbs`."""
    schemas: tuple[Schema, ...]
    """Closed; where there are two, the set of keys says which (X-06)."""
    read_only: bool = False
    run: Part = carry_out
    privileged: Part | None = None
    secret_data: frozenset[str] = field(default_factory=frozenset)
    """Which fields of its answer are sealed to the operator."""
