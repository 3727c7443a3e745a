"""Takes commands in: verifies, admits, uses once, carries out, writes down (the order of spec: envelope.md).

One for each process that carries out commands: the agent, which asks the operator's word of everything, and its runner,
which asks it again. Whoever asked may go away: what was accepted is carried out, and its result kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import assert_never

from warren.clock import monotonic_seconds, wall_seconds
from warren.commands.admission import Admission
from warren.commands.audit_events import accepted, finished, refused
from warren.commands.command import VerifiedCommand
from warren.commands.pipeline.executor import Executor, reason_of
from warren.commands.pipeline.output_buffer import OutputBuffer
from warren.commands.rejection import ProvenClaims, Rejected
from warren.commands.replay import Accepted, InProgress, Stored
from warren.commands.result import UNKNOWN, Code, CommandError, Result, Status
from warren.commands.store.command_store import CommandStore
from warren.commands.verbs import Data, Verb, VerbHandler
from warren.errors import WarrenError
from warren.ratelimit import RateLimit

"""Stands where nothing is proven."""

# Of one sender without a key that counts: who tries his luck has one or two.
JUNK_PER_MINUTE = 60
# Of one dispatch key that have a line: 600 MB of them a day at most, and a controller that errs is told of each.
REFUSALS_PER_MINUTE = 600

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ingress:
    """How an envelope came: by which transport, in which session of it, and who brought it."""

    transport: str
    sid: str
    source: str


@dataclass(slots=True)
class _Job:
    command: VerifiedCommand
    verb: Verb
    source: str
    place: ExitStack
    done: asyncio.Future[Result]
    output: OutputBuffer
    task: asyncio.Task[None] | None = None
    has_begun: bool = False
    has_ended: bool = False
    """Whether all that is left is to write down what came of it."""
    ending: CommandError | None = None
    """Why it is to end. A task that is cancelled before its first step would never see to its end."""


class CommandPipeline:
    """`verify` proves an envelope; `part_of` is which part of a verb is carried out here; `on_output` hears what a
    command says, by its corr_id; `name` is whose intake it is, in the log."""

    def __init__(  # noqa: PLR0913, each is said once, where an intake is put together, by its name
        self,
        agent_id: str,
        *,
        verify: Callable[[str, Ingress], VerifiedCommand],
        verbs: Mapping[str, Verb],
        part_of: Callable[[Verb], VerbHandler],
        admission: Admission,
        at_once: int,
        single_use: CommandStore,
        executor: Executor,
        group: asyncio.TaskGroup,
        on_output: Callable[[str, bytes], None] = lambda _corr_id, _octets: None,
        name: str = "agent",
    ) -> None:
        self._agent_id = agent_id
        self._verify = verify
        self._verbs = verbs
        self._part_of = part_of
        self._admission = admission
        self._turn = asyncio.Semaphore(at_once)
        self._single_use = single_use
        self._executor = executor
        self._group = group
        self._on_output = on_output
        self._name = name
        self._jobs: dict[str, _Job] = {}
        self._coming: dict[str, CommandError | None] = {}
        """By corr_id, what the store is asked about, and why it is not to begin."""
        self._junk = RateLimit(JUNK_PER_MINUTE)
        self._refusals = RateLimit(REFUSALS_PER_MINUTE)
        self._unwritten = 0

    async def submit(self, envelope: str, way: Ingress) -> Result:
        """What became of it, or why it is refused."""
        facts = ProvenClaims()
        try:
            command = self._verify(envelope, way)
            facts = _facts(command)
            job = await self._take(command, way.source)
            return job if isinstance(job, Result) else await asyncio.shield(job.done)
        except CommandError as error:
            proven = error.facts if isinstance(error, Rejected) else facts
            if not self._spend(way.source, proven):
                return self._refusal(_flooded(error, proven), proven)
            await self._write_down(error, way.source, proven)
            return self._refusal(error, proven)

    async def preview(self, envelope: str, way: Ingress) -> Data:
        """What it would do: verified like any other, and neither carried out nor used up. Raises CommandError."""
        command = self._verify(envelope, way)
        verb = self._verbs[command.verb]
        return await self._executor.preview(command, verb, self._part_of(verb))

    def output(self, corr_id: str) -> OutputBuffer | None:
        """What a command that is under way has said."""
        job = self._jobs.get(corr_id)
        return job.output if job else None

    def cancel(self, corr_id: str, code: Code, why: str) -> bool:
        """Whether it was under way: then its result says so, with all that it had started gone."""
        job, ending = self._jobs.get(corr_id), CommandError(code, why, Status.ERROR)
        if job is None and corr_id in self._coming:
            self._coming[corr_id] = ending
            return True
        if job is None or job.has_ended:
            return False
        job.ending = ending
        if job.task is not None and job.has_begun:
            job.task.cancel(job.ending)
        return True

    async def close(self) -> None:
        """Lets nothing in any more, ends what is under way, and keeps its results."""
        self._admission.closed = True
        self._single_use.wait_no_more()
        for corr_id in tuple(self._jobs):
            self.cancel(corr_id, Code.INTERRUPTED, "the agent stopped while it ran")
        await asyncio.gather(*(job.done for job in self._jobs.values()), return_exceptions=True)

    def _spend(self, source: str, facts: ProvenClaims) -> bool:
        """Whether one more refusal is written down: a flood of them would fill the disk (G-48)."""
        rate, key = (self._junk, source) if facts.kid is None else (self._refusals, facts.kid)
        has_room = rate.try_take(key, monotonic_seconds())
        self._unwritten += not has_room
        return has_room

    async def _write_down(self, error: CommandError, source: str, facts: ProvenClaims) -> None:
        log.warning("command.refused", extra={"code": error.code.value, "problem": str(error), **self._told(facts)})
        unwritten, self._unwritten = self._unwritten, 0
        try:
            await self._single_use.note(refused(error, source, wall_seconds(), facts, unwritten))
        except (CommandError, WarrenError) as trouble:  # whoever asked is told of the refusal all the same
            log.error("refusal.not_recorded", extra={"error": str(trouble)})  # noqa: TRY400, no traceback

    async def _take(self, command: VerifiedCommand, source: str) -> _Job | Result:
        verb = self._verbs[command.verb]
        with ExitStack() as place:
            place.enter_context(self._admission.hold(command.actor.id, command.verb, monotonic_seconds()))
            event = accepted(command, verb, source, wall_seconds())
            self._coming.setdefault(command.corr_id, None)
            try:
                verdict = await self._single_use.accept(command, event, read_only=verb.read_only)
            finally:
                ending = self._coming.pop(command.corr_id, None)
            match verdict:
                case Stored(result):
                    return result
                case InProgress():
                    return await self._wait_for(command.corr_id)
                case Accepted():
                    return self._start(command, verb, source, place.pop_all(), ending)
                case _:
                    assert_never(verdict)

    def _start(
        self, command: VerifiedCommand, verb: Verb, source: str, place: ExitStack, ending: CommandError | None
    ) -> _Job:
        done = asyncio.get_running_loop().create_future()
        job = _Job(command, verb, source, place, done, OutputBuffer(), ending=ending)
        if self._admission.closed:
            job.ending = CommandError(Code.INTERRUPTED, "the agent stopped before it began", Status.ERROR)
        self._jobs[command.corr_id] = job
        job.task = self._group.create_task(self._carry_out(job), name=f"command {command.verb}")
        return job

    async def _wait_for(self, corr_id: str) -> _Job | Result:
        """The one that is under way, or has just ended."""
        if job := self._jobs.get(corr_id):
            return job
        if result := await self._single_use.result_of(corr_id):
            return result
        raise CommandError(Code.INTERRUPTED, "it is under way in another process", Status.ERROR)

    async def _carry_out(self, job: _Job) -> None:
        log.info("command.accepted", extra=self._told(_facts(job.command)))
        try:
            with job.place:
                result = await self._run(job)
            job.has_ended = True
            await self._single_use.finish(
                job.command.corr_id, result, finished(job.command, job.verb, result, job.source)
            )
            log.info("command.finished", extra=self._told(_facts(job.command)) | {"code": result.error_code.value})
            job.done.set_result(result)
        except Exception:  # the record failed: the start after this one says INTERRUPTED
            log.exception("command.not_recorded", extra=self._told(_facts(job.command)))
            error = CommandError(Code.INTERRUPTED, "what came of it could not be written down", Status.ERROR)
            job.done.set_result(self._refusal(error, _facts(job.command)))
        finally:
            job.done.cancel()  # unless it is done
            job.output.end()
            del self._jobs[job.command.corr_id]

    async def _run(self, job: _Job) -> Result:
        job.has_begun = True
        if job.ending:
            return self._refusal(job.ending, _facts(job.command))
        try:
            async with self._turn:
                if wall_seconds() >= job.command.exp:
                    error = CommandError(Code.EXPIRED_TOKEN, "its time was over before its turn came")
                    return self._refusal(error, _facts(job.command))

                def say(octets: bytes) -> None:
                    job.output.feed(octets)
                    self._on_output(job.command.corr_id, octets)

                return await self._executor.run(job.command, job.verb, self._part_of(job.verb), say)
        except asyncio.CancelledError as cancelled:  # before its turn came
            if task := asyncio.current_task():
                task.uncancel()
            return self._refusal(reason_of(cancelled), _facts(job.command))

    def _told(self, facts: ProvenClaims) -> dict[str, object]:
        """For the log, which a runner shares with its agent."""
        actor = facts.actor and facts.actor.id
        return {"by": self._name, "corr_id": facts.corr_id, "verb": facts.verb, "actor": actor}

    def _refusal(self, error: CommandError, facts: ProvenClaims) -> Result:
        return Result(
            corr_id=facts.corr_id or UNKNOWN,
            agent_id=self._agent_id,
            verb=facts.verb or UNKNOWN,
            status=error.status,
            error_code=error.code,
            ts=int(wall_seconds()),
            problem=str(error),
        )


def _flooded(error: CommandError, facts: ProvenClaims) -> CommandError:
    if facts.kid is not None:
        return error
    return CommandError(Code.RATE_LIMITED, f"more than {JUNK_PER_MINUTE} in a minute that no key of ours has signed")


def _facts(command: VerifiedCommand) -> ProvenClaims:
    return ProvenClaims(command.kid, command.corr_id, command.verb, command.actor, command.nonce)
