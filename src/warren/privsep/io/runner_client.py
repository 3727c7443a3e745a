"""The agent's end of the line to its runner, which carries out what needs root."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from warren.commands.dry_run import DryRun
from warren.commands.effects.events import EventSink
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.execution import Execution, Handlers
from warren.commands.result import Code, CommandError, Result, Status
from warren.errors import WarrenError
from warren.privsep.runner_protocol import (
    MAX_OCTETS,
    Cancel,
    Event,
    Execute,
    Message,
    Output,
    ResultMessage,
    encode_message,
    parse_message,
)
from warren.telemetry.conditions import Condition

PAUSE_SECONDS = 1.0  # before a runner that ended is started again
PATIENCE_SECONDS = 10  # for the end of what was cancelled, beyond what its programs are given

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    running: Execution
    done: asyncio.Future[Result]


class RunnerClient:
    """`open_runner` gives the descriptor of a line to a new one; it may block. `tell` hears of events."""

    def __init__(self, open_runner: Callable[[], int], sid: str, grace_seconds: float, tell: EventSink) -> None:
        self._open_runner = open_runner
        self._sid = sid
        self._tell = tell
        self._patience = grace_seconds + PATIENCE_SECONDS
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._is_there = asyncio.Event()
        self._problem: str | None = "it has not been started yet"

    def handlers(self) -> Handlers:
        """Of `RunPrivileged`."""
        return {RunPrivileged: self._carry_out}

    def conditions(self) -> tuple[Condition, ...]:
        """What a person should know: that there is none."""
        if self._problem is None:
            return ()
        return (Condition("runner.unavailable", f"commands that need root cannot run: {self._problem}"),)

    async def run(self) -> None:
        """Keeps one running, until cancelled."""
        while True:
            try:
                reader = await self._open()
                await self._follow(reader)
                self._problem = "it has ended; the next start is under way"
            except (WarrenError, OSError) as error:
                self._problem = str(error)
            except Exception:  # a mistake of ours here ends neither the agent nor a tunnel
                log.exception("runner.crashed")
                self._problem = "a mistake in the agent itself; its log says more"
            self._is_there.clear()
            log.error("runner.ended", extra={"problem": self._problem})
            self._fail(self._problem)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _open(self) -> asyncio.StreamReader:
        descriptor = await asyncio.to_thread(self._open_runner)
        connection = socket.socket(fileno=descriptor)
        reader, self._writer = await asyncio.open_connection(sock=connection, limit=MAX_OCTETS)
        self._problem = None
        self._is_there.set()
        return reader

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._hear(parse_message(line))
        finally:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _hear(self, word: Message) -> None:
        match word:
            case ResultMessage(number, result) if number in self._asked and not self._asked[number].done.done():
                self._asked[number].done.set_result(result)
            case Output(corr_id, octets):
                for asked in self._asked.values():
                    if asked.running.command.corr_id == corr_id and asked.running.on_output:
                        asked.running.on_output(octets)
            case Event(event, fields):
                self._tell(event, fields)
            case _:
                return

    def _fail(self, problem: str) -> None:
        for asked in self._asked.values():
            if not asked.done.done():
                error = CommandError(Code.INTERRUPTED, f"what carries it out has ended: {problem}", Status.ERROR)
                asked.done.set_exception(error)

    def _send(self, word: Message) -> None:
        if self._writer is None:
            raise CommandError(Code.EXEC_FAILED, f"nothing here has the rights: {self._problem}", Status.ERROR)
        self._writer.write(encode_message(word))

    async def _carry_out(self, _: RunPrivileged, running: Execution) -> Mapping[str, object]:
        """What the verb's privileged part answers. Raises CommandError as the runner's result says."""
        number, command = next(self._numbers), running.command
        asked = _Asked(running, asyncio.get_running_loop().create_future())
        with suppress(TimeoutError):  # then `_send` says that it is not there
            async with asyncio.timeout(self._patience):
                await self._is_there.wait()
        self._asked[number] = asked
        try:
            is_dry = running.is_dry_run
            self._send(Execute(number, command.envelope, command.transport, self._sid, "agent", is_dry))
            result = await self._end_of(asked)
        finally:
            del self._asked[number]
        return _answer(result, running)

    async def _end_of(self, asked: _Asked) -> Result:
        """Its result. Cancelled, it sees to it first that what it began has ended."""
        try:
            return await asyncio.shield(asked.done)
        except asyncio.CancelledError:
            with suppress(CommandError):  # it has gone, and what it had begun with it
                self._send(Cancel(asked.running.command.corr_id, Code.CANCELLED.value, "the agent has ended it"))
            await asyncio.wait([asked.done], timeout=self._patience)
            if asked.done.done() and not asked.done.cancelled() and not asked.done.exception():
                asked.running.merge_result(asked.done.result())
            raise


def _answer(result: Result, running: Execution) -> Mapping[str, object]:
    if result.status is not Status.SUCCESS:
        running.merge_result(result)
        raise CommandError(result.error_code, result.problem, result.status)
    if running.is_dry_run:
        return _merge_dry_run(result.data, running)
    running.merge_result(result)
    return result.data


def _merge_dry_run(members: Mapping[str, object], running: Execution) -> Mapping[str, object]:
    match members:
        case {"effects": [*effects], "problem": str(problem), "data": dict(data)}:
            running.merge_dry_run(DryRun(tuple(map(str, effects))))
            if problem:
                raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
            return data
    raise CommandError(Code.EXEC_FAILED, "unexpected response of the runner to a dry run", Status.ERROR)
