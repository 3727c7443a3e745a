"""Effects on passwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect, Secret


@dataclass(frozen=True, slots=True)
class HashPassword(Effect[str]):
    """Hash a password with bcrypt and a fresh salt, in the form that crypt(5) and Apache read: `$2y$`.

    bcrypt uses the first 72 octets of a longer password.
    """

    reads: ClassVar[bool] = True

    password: Secret
    cost: int
