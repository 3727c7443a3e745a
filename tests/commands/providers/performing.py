"""Verbs split_frame out for real, by the executor and every handler that providers of users need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tests.commands.commands import command, file_handlers, secret_scope
from warren.clock import read_clocks
from warren.commands.command import Actor
from warren.commands.dry_run import DryRun
from warren.commands.effects.effect import Effect, Effects
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.records import DeleteRecord, GetMoment, GetRecord, ListRecords, PutRecord
from warren.commands.effects.system import GetClocks, GetTime
from warren.commands.execution import Execution, Handler, Handlers
from warren.commands.handlers import containers, openvpn, passwords
from warren.commands.pipeline.executor import Executor
from warren.commands.result import Result
from warren.commands.sealing import open_data
from warren.commands.settings import CommandSettings
from warren.commands.verb import Verb, VerbContext
from warren.elapsed_clock import ClockReading, Moment
from warren.trust.sealing import SealingKey

T = TypeVar("T")


class Cut(BaseException):
    """The agent ended between two effects, as if it had been killed."""


OPERATOR = SealingKey(bytes(range(32)))


@dataclass(slots=True)
class Node:
    """Carries out verbs, and keeps what they emit. `others` are handlers beside those of files and OpenVPN."""

    settings: CommandSettings
    others: Handlers = field(default_factory=dict)
    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    records: dict[tuple[str, str], Mapping[str, object]] = field(default_factory=dict)
    effects_left: int | None = None
    """After how many effects `Cut` is raised; None is never."""

    def run(self, verb: Verb, args: Mapping[str, object]) -> Result:
        """As an agent that has the rights itself."""
        return asyncio.run(self.running(verb, args))

    async def running(self, verb: Verb, args: Mapping[str, object]) -> Result:
        """The same, for many at once."""
        return await self._executor().run(command(verb.name, args, actor=Actor("ada", "ADMIN")), verb, verb.run)

    def dry_run(self, verb: Verb, args: Mapping[str, object]) -> DryRun:
        """Return what it would do."""
        asked = command(verb.name, args, actor=Actor("ada", "ADMIN"))
        return asyncio.run(self._executor().dry_run(asked, verb, verb.run))

    def run_internal(self, part: Callable[[VerbContext], Effects[T]], now: float | None = None) -> T:
        """What is due by itself; with `now`, as if it were that late, by both clocks."""
        present = read_clocks()
        late = 0 if now is None else now - present.wall
        return self.run_internal_at(part, ClockReading(present.wall + late, present.boottime + late, present.boot_id))

    def run_internal_at(self, part: Callable[[VerbContext], Effects[T]], reading: ClockReading) -> T:
        """What is due by itself when the clocks show this."""

        async def wall(_: GetTime, __: Execution) -> float:
            return reading.wall

        async def clocks(_: GetClocks, __: Execution) -> ClockReading:
            return reading

        return asyncio.run(self._executor({GetTime: wall, GetClocks: clocks}).run_internal(part))

    def _executor(self, others: Handlers | None = None) -> Executor:
        usual: Handlers = {
            **file_handlers(),
            **passwords.handlers(),
            **containers.handlers(),
            **openvpn.handlers(),
            EmitEvent: self._emit,
            GetMoment: self._moment,
            GetRecord: self._get,
            PutRecord: self._put,
            ListRecords: self._list,
            DeleteRecord: self._delete,
        }
        handlers = {**usual, **self.others, **(others or {})}
        handlers = {kind: self._counted(perform) for kind, perform in handlers.items()}
        return Executor("node-1", self.settings, handlers, lambda *_: b"", {"ada": OPERATOR.public}.get)

    def _counted(self, perform: Handler) -> Handler:
        async def counted(effect: Effect[object], running: Execution) -> object:
            if self.effects_left is not None:
                if self.effects_left == 0:
                    raise Cut
                self.effects_left -= 1
            return await perform(effect, running)

        return counted

    async def _moment(self, _: GetMoment, __: Execution) -> Moment:
        reading = read_clocks()
        return Moment(reading.wall, reading.boottime)

    async def _get(self, effect: GetRecord, _: Execution) -> Mapping[str, object] | None:
        return self.records.get((effect.kind, effect.key))

    async def _put(self, effect: PutRecord, _: Execution) -> None:
        self.records[effect.kind, effect.key] = effect.value

    async def _list(self, effect: ListRecords, _: Execution) -> Mapping[str, Mapping[str, object]]:
        return {key: value for (kind, key), value in self.records.items() if kind == effect.kind}

    async def _delete(self, effect: DeleteRecord, _: Execution) -> bool:
        return self.records.pop((effect.kind, effect.key), None) is not None

    async def _emit(self, effect: EmitEvent, _: Execution) -> None:
        self.events.append((effect.event, effect.fields))


def in_plain(result: Result) -> dict[str, object]:
    """Its data, as the operator reads it."""
    return open_data(result.data, secret_scope(result), OPERATOR)
