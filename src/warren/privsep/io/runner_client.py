"""The agent's end of the connection to its runner, which runs the privileged parts of signed commands."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from warren.backoff import Backoff, BackoffPolicy
from warren.clock import monotonic_seconds
from warren.commands.dry_run import DryRun
from warren.commands.effects.events import EventSink
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.execution import Execution, Handlers
from warren.commands.result import Code, CommandError, Result, Status
from warren.errors import EngineError, HostError, WarrenError
from warren.privsep.runner_protocol import (
    MAX_BYTES,
    STORE_FAILED,
    STORE_RECOVERED,
    Cancel,
    ErrorMessage,
    Event,
    Execute,
    Message,
    Output,
    Preview,
    Rejection,
    ResultMessage,
    encode_message,
    parse_message,
)
from warren.telemetry.conditions import Condition

RETRY = BackoffPolicy.exponential(1.0, 60.0, fatal_delay_seconds=60.0)
"""Before a runner that exited is started again. A lasting cause is retried too: a person may remove it meanwhile."""
SETTLE_SECONDS = 1.0  # a runner that cannot open its store says so in a tenth of it
STABLE_SECONDS = 60.0  # after which a runner counts as started: an exit then is no repeated failure
CANCEL_TIMEOUT_SECONDS = 10  # for the end of a cancelled command, beyond the grace of its programs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A command that the runner has been sent, and the answer to it."""

    execution: Execution
    answer: asyncio.Future[Result | DryRun | Rejection]


class RunnerClient:
    """Starts a runner by `open_runner`, which returns a connection to it and may block; `emit` takes its events."""

    def __init__(self, open_runner: Callable[[], int], sid: str, grace_seconds: float, emit: EventSink) -> None:
        self._open_runner = open_runner
        self._sid = sid
        self._emit = emit
        self._timeout_seconds = grace_seconds + CANCEL_TIMEOUT_SECONDS
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._is_connected = asyncio.Event()
        self._backoff = Backoff(RETRY, random.random)
        self._store_conditions: tuple[Condition, ...] = ()
        self._connected_at = -math.inf

    def handlers(self) -> Handlers:
        """Return the handler of `RunPrivileged`."""
        return {RunPrivileged: self._run_privileged}

    def conditions(self) -> tuple[Condition, ...]:
        """Return `runner.unavailable` with its cause while there is no runner, or why its store cannot be written.

        A runner that was started again after a failure counts once it has not failed in the same way at once.
        """
        has_settled = self._backoff.cause is None or monotonic_seconds() - self._connected_at > SETTLE_SECONDS
        if self._writer is not None and has_settled:
            return self._store_conditions
        return (Condition("runner.unavailable", f"commands that need root cannot run: {self._cause}"),)

    async def run(self) -> None:
        """Keep one runner running until cancelled."""
        while True:
            started = monotonic_seconds()
            cause = await self._run_once()
            if monotonic_seconds() - started > STABLE_SECONDS:
                self._backoff.reset()
            delay = self._backoff.fail(cause, monotonic_seconds())
            fields = {"problem": str(cause), "code": cause.code, "retry_seconds": round(delay, 1)}
            log.error("runner.ended", extra=fields)
            self._fail_pending(cause)
            await asyncio.sleep(delay)

    @property
    def _cause(self) -> str:
        cause = self._backoff.cause
        return "the runner is starting" if cause is None else f"{cause}; {cause.hint}"

    async def _run_once(self) -> WarrenError:
        """Start a runner, and return the cause when it has exited."""
        try:
            reader = await self._connect()
            await self._receive(reader)
        except WarrenError as error:
            return error
        except OSError as error:
            return HostError(f"connection to the runner: {error.strerror}", code="host.refused", errno=error.errno)
        except Exception:  # a defect here must end neither the agent nor a tunnel
            log.exception("runner.crashed")
            return EngineError("internal error; see the agent log", code="agent.failed")
        return HostError("runner exited", code="helper.ended", hint="it is started again")

    async def _connect(self) -> asyncio.StreamReader:
        descriptor = await asyncio.to_thread(self._open_runner)
        connection = socket.socket(fileno=descriptor)
        reader, self._writer = await asyncio.open_connection(sock=connection, limit=MAX_BYTES)
        self._store_conditions = ()
        self._connected_at = monotonic_seconds()
        self._is_connected.set()
        return reader

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._dispatch(parse_message(line))
        finally:
            self._is_connected.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _dispatch(self, message: Message) -> None:
        match message:
            case ResultMessage(number, answer) | Preview(number, answer):
                self._resolve(number, answer)
            case Output(corr_id, octets):
                for pending in self._pending.values():
                    if pending.execution.command.corr_id == corr_id and pending.execution.on_output:
                        pending.execution.on_output(octets)
            case Event(event, fields):
                self._note_store(event, fields)
                self._emit(event, fields)
            case ErrorMessage(error):
                raise error
            case _:
                log.warning("runner.message_ignored", extra={"op": type(message).__name__})

    def _note_store(self, event: str, fields: Mapping[str, object]) -> None:
        """Keep what the runner says of its store: it is not open to this process."""
        if event == STORE_FAILED:
            sentence = f"runner: {fields.get('error')}: commands that need root are refused"
            self._store_conditions = (Condition("command.store_failed", sentence),)
        elif event == STORE_RECOVERED:
            self._store_conditions = ()

    def _resolve(self, number: int, answer: Result | DryRun | Rejection) -> None:
        self._backoff.reset()  # it has verified a command: it works
        pending = self._pending.get(number)
        if pending is not None and not pending.answer.done():
            pending.answer.set_result(answer)

    def _fail_pending(self, cause: WarrenError) -> None:
        for pending in self._pending.values():
            if not pending.answer.done():
                error = CommandError(Code.INTERRUPTED, f"runner exited: {cause}", Status.ERROR)
                pending.answer.set_exception(error)

    def _send(self, message: Message) -> None:
        if self._writer is None:
            raise CommandError(Code.EXEC_FAILED, f"no privileged runner: {self._cause}", Status.ERROR)
        self._writer.write(encode_message(message))

    async def _run_privileged(self, _: RunPrivileged, execution: Execution) -> Mapping[str, object]:
        """Return the data of the verb's privileged part. Raises CommandError as the runner answers."""
        number, command = next(self._numbers), execution.command
        pending = _Pending(execution, asyncio.get_running_loop().create_future())
        with suppress(TimeoutError):  # then `_send` raises with the cause
            async with asyncio.timeout(self._timeout_seconds):
                await self._is_connected.wait()
        self._pending[number] = pending
        try:
            self._send(
                Execute(number, command.envelope, command.transport, self._sid, "agent", dry_run=execution.is_dry_run)
            )
            answer = await self._wait(pending)
        finally:
            del self._pending[number]
        return _merge(answer, execution)

    async def _wait(self, pending: _Pending) -> Result | DryRun | Rejection:
        """Return the answer. Cancelled, wait first for the end of what the runner began."""
        try:
            return await asyncio.shield(pending.answer)
        except asyncio.CancelledError:
            with suppress(CommandError):  # the runner is gone, and what it had begun with it
                self._send(Cancel(pending.execution.command.corr_id, Code.CANCELLED, "cancelled by the agent"))
            await asyncio.wait([pending.answer], timeout=self._timeout_seconds)
            if pending.answer.done() and not pending.answer.cancelled() and not pending.answer.exception():
                with suppress(CommandError):
                    _merge(pending.answer.result(), pending.execution)
            raise


def _merge(answer: Result | DryRun | Rejection, execution: Execution) -> Mapping[str, object]:
    """Record an answer in the execution, and return its data. Raises CommandError for a failure."""
    match answer:
        case Result():
            execution.merge_result(answer)
            if answer.status is not Status.SUCCESS:
                raise CommandError(answer.error_code, answer.problem, answer.status)
        case DryRun():
            execution.merge_dry_run(answer)
            if answer.problem:
                raise CommandError(Code.EXEC_FAILED, answer.problem, Status.ERROR)
        case Rejection():
            raise answer.as_error()
    return answer.data
