"""Verbs carried out for real, by the executor and every performer that providers of users need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tests.commands.commands import command
from warren.commands.command import Actor
from warren.commands.effects import DropRecord, Effect, Effects, Emit, ListRecords, Now
from warren.commands.io.engine import engine_performers
from warren.commands.io.executor import Executor, Performer, Performers, Running
from warren.commands.io.files import file_performers
from warren.commands.io.hashing import hash_performers
from warren.commands.io.holds import hold_performers
from warren.commands.io.management import Management
from warren.commands.result import Result
from warren.commands.sealed import open_data
from warren.commands.settings import CommandSettings
from warren.commands.verbs import Occasion, Verb
from warren.trust.sealing import SealingKey

T = TypeVar("T")


class Cut(BaseException):
    """The agent ended between two effects, as if it had been killed."""


OPERATOR = SealingKey(bytes(range(32)))


@dataclass(slots=True)
class Node:
    """Carries out verbs, and keeps what they emit. `others` are performers beside those of files and OpenVPN."""

    settings: CommandSettings
    others: Performers = field(default_factory=dict)
    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    effects_left: int | None = None
    """After how many effects `Cut` is raised; None is never."""

    def run(self, verb: Verb, args: Mapping[str, object]) -> Result:
        """As an agent that has the rights itself."""
        return asyncio.run(self.running(verb, args))

    async def running(self, verb: Verb, args: Mapping[str, object]) -> Result:
        """The same, for many at once."""
        return await self._executor().run(command(verb.name, args, actor=Actor("ada", "ADMIN")), verb, verb.run)

    def preview(self, verb: Verb, args: Mapping[str, object]) -> Mapping[str, object]:
        """What it would do."""
        asked = command(verb.name, args, actor=Actor("ada", "ADMIN"))
        return asyncio.run(self._executor().preview(asked, verb, verb.run))

    def tend(self, part: Callable[[Occasion], Effects[T]], now: float | None = None) -> T:
        """What is due by itself; with `now`, as if it were that late."""

        async def later(_: Now, __: Running) -> float:
            assert now is not None
            return now

        return asyncio.run(self._executor({} if now is None else {Now: later}).tend(part))

    def _executor(self, others: Performers | None = None) -> Executor:
        usual: Performers = {
            **file_performers(),
            **hold_performers(),
            **hash_performers(),
            **engine_performers(),
            **Management().performers(),
            Emit: self._emit,
            ListRecords: _none,
            DropRecord: _none,
        }
        performers = {**usual, **self.others, **(others or {})}
        performers = {kind: self._counted(perform) for kind, perform in performers.items()}
        return Executor("node-1", self.settings, performers, lambda *_: b"", {"ada": OPERATOR.public}.get)

    def _counted(self, perform: Performer) -> Performer:
        async def counted(effect: Effect[object], running: Running) -> object:
            if self.effects_left is not None:
                if self.effects_left == 0:
                    raise Cut
                self.effects_left -= 1
            return await perform(effect, running)

        return counted

    async def _emit(self, effect: Emit, _: Running) -> None:
        self.events.append((effect.event, effect.fields))


def in_plain(result: Result) -> dict[str, object]:
    """Its data, as the operator reads it."""
    return open_data(result.data, result.corr_id, OPERATOR)


async def _none(_: Effect[object], __: Running) -> Mapping[str, object]:
    """Of an agent without records."""
    return {}
