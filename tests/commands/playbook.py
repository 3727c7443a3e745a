"""Plays a verb without a host: which effect it yields next, and what comes of it.

play = Playbook(part(args, occasion))
play.expect(ReadFile("/a")).reply(b"…")
play.expect(Now()).fail("no clock")
assert play.returned == {…}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from warren.commands.effects.effect import Effect, EffectError, Effects

E = TypeVar("E", bound="Effect[Any]")


class Playbook:
    """One verb on its way."""

    def __init__(self, effects: Effects[Mapping[str, object]]) -> None:
        self._effects = effects
        self._now: Effect[object] | None = None
        self._returned: Mapping[str, object] | None = None
        self._go_on(None)

    def expect(self, effect: Effect[Any]) -> Playbook:
        """It asks for exactly this."""
        assert self._now == effect
        return self

    def of(self, kind: type[E]) -> E:
        """What it asks for, which is one of this kind."""
        assert isinstance(self._now, kind), self._now
        return self._now

    def reply(self, outcome: object = None) -> Playbook:
        """It was done, and this came of it."""
        self._go_on(outcome)
        return self

    def fail(self, problem: str) -> Playbook:
        """It was tried, and failed."""
        try:
            self._now = self._effects.throw(EffectError(problem))
        except StopIteration as end:
            self._now, self._returned = None, end.value
        return self

    @property
    def returned(self) -> Mapping[str, object]:
        """What the verb answers, now that it wants nothing more."""
        assert self._returned is not None, f"it wants {self._now} first"
        return self._returned

    def _go_on(self, outcome: object) -> None:
        try:
            self._now = self._effects.send(outcome)
        except StopIteration as end:
            self._now, self._returned = None, end.value
