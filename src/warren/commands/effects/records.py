"""Effects on records: small durable values of a provider, by kind and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect
from warren.elapsed_clock import Deadline, Moment


@dataclass(frozen=True, slots=True)
class GetMoment(Effect[Moment]):
    """Return the present moment by the clocks by which records expire."""

    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class PutRecord(Effect[None]):
    """Store a value durably, replacing one of the same key; it expires by either clock, and is deleted by both."""

    kind: str
    key: str
    value: Mapping[str, object]
    expires: Deadline | None = None


@dataclass(frozen=True, slots=True)
class GetRecord(Effect["Mapping[str, object] | None"]):
    """Return the value; None if there is none or it has expired."""

    reads: ClassVar[bool] = True

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class ListRecords(Effect["Mapping[str, Mapping[str, object]]"]):
    """Return all values of a kind, by key."""

    reads: ClassVar[bool] = True

    kind: str


@dataclass(frozen=True, slots=True)
class DeleteRecord(Effect[bool]):
    """Delete a value; of two commands that delete the same one, only one gets True."""

    kind: str
    key: str

    def simulated(self) -> object:
        return True
