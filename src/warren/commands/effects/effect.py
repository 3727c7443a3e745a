"""Effects: the operations on the host that a verb asks for, as values.

A verb is a generator that yields effects and is sent the outcome of each; one executor performs them. So a verb is
tested without a host, a dry run is the list of its effects, and no effect has a shell in it.
An effect that fails raises `EffectError` into the verb, which may go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar, cast

T = TypeVar("T")


class EffectError(Exception):
    """An effect was tried and failed; the text is for people and holds no secret."""


@dataclass(frozen=True, slots=True)
class Effect(Generic[T]):
    """One operation on the host whose outcome is a T; its repr shows no secret."""

    reads: ClassVar[bool] = False
    """True if it changes nothing; a dry run performs such an effect."""

    def simulated(self) -> object:
        """Return the outcome that a dry run gives the verb in place of the real one."""
        return None


Effects = Generator[Effect[object], object, T]
"""A generator that yields effects and returns a T: the form of every verb."""


def do(effect: Effect[T]) -> Effects[T]:
    """Perform one effect: `outcome = yield from do(effect)`, with the type of its outcome."""
    return cast("T", (yield cast("Effect[object]", effect)))


@dataclass(frozen=True, slots=True)
class Secret:
    """Octets that no repr shows; `open` returns them."""

    octets: bytes = field(repr=False)

    def open(self) -> bytes:
        """Return the octets."""
        return self.octets


def sha256_hex(octets: bytes) -> str:
    """Return the SHA-256 as 64 digits in lower case."""
    return hashlib.sha256(octets).hexdigest()
