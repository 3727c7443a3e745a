"""Effects on files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect, Secret


@dataclass(frozen=True, slots=True)
class ReadFile(Effect["bytes | None"]):
    """Read a file; None if it does not exist."""

    reads: ClassVar[bool] = True

    path: str
    max_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class WriteFile(Effect[None]):
    """Replace or create a file atomically and durably; an existing file keeps its owner, group and mode."""

    path: str
    content: Secret
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class RemoveFile(Effect[bool]):
    """Remove a file; the outcome is whether it existed."""

    path: str

    def simulated(self) -> object:
        return True


@dataclass(frozen=True, slots=True)
class ListDirectory(Effect[tuple[str, ...]]):
    """List the names in a directory, sorted; empty if it does not exist."""

    reads: ClassVar[bool] = True

    path: str
