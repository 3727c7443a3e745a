"""The effect that excludes other commands."""

from __future__ import annotations

from dataclasses import dataclass

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class LockFile(Effect[None]):
    """Hold an exclusive lock on a file until this command ends, so that it can read, change and write back.

    Effects of different commands overlap otherwise, and of two that add a line to a file one line would be lost. The
    file is used for nothing else: it is created if absent, for its owner only, and stays. A command that holds two
    takes them in the order of their paths. The lock is released however the command ends, also with its process.
    """

    path: str
