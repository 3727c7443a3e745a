"""The pipeline of a command: verify, admit, check for replay, execute, store the result (docs/protocol/envelope.md).

A command is verified when it arrives, and again when its turn comes, before its first effect: the trust bundle, the
owner's switch and the clock may have changed while it was queued. Its text cannot, and is read once (`signed_command`).

One runs in each process that executes commands: in the agent, and in its privileged runner, which verifies everything
again. The sender may disconnect: an accepted command is executed to its end, and its result is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import assert_never

from warren.clock import monotonic_seconds, wall_seconds
from warren.commands.admission import Admission
from warren.commands.audit_events import accepted, finished, previewed
from warren.commands.command import VerifiedCommand
from warren.commands.dry_run import DryRun
from warren.commands.envelope import Ingress
from warren.commands.pipeline.executor import Executor, cancellation_reason
from warren.commands.pipeline.job import Job
from warren.commands.pipeline.output_buffer import OutputBuffer
from warren.commands.pipeline.rejection_log import RejectionLog, log_fields
from warren.commands.pipeline.verifier import Verify
from warren.commands.rejection import ProvenClaims, Rejected
from warren.commands.replay import Accepted, InProgress, Stored
from warren.commands.result import UNKNOWN, Code, CommandError, Result, Status
from warren.commands.signed_command import SignedCommand, signed_command
from warren.commands.store.command_store import CommandStore
from warren.commands.verb import Verb, VerbHandler

log = logging.getLogger(__name__)


class CommandPipeline:
    """The pipeline of one process.

    `verify` verifies an envelope; `part_of` selects the part of a verb that this process executes; `on_output` takes
    the output of a running command, by corr_id; `process` names this process in the log.
    """

    def __init__(  # noqa: PLR0913, keyword arguments of a composition root
        self,
        agent_id: str,
        *,
        verify: Verify,
        verbs: Mapping[str, Verb],
        part_of: Callable[[Verb], VerbHandler],
        admission: Admission,
        max_concurrency: int,
        store: CommandStore,
        executor: Executor,
        group: asyncio.TaskGroup,
        on_output: Callable[[str, bytes], None] = lambda _corr_id, _octets: None,
        process: str = "agent",
    ) -> None:
        self._agent_id = agent_id
        self._verify = verify
        self._verbs = verbs
        self._part_of = part_of
        self._admission = admission
        self._slots = asyncio.Semaphore(max_concurrency)
        self._store = store
        self._executor = executor
        self._group = group
        self._on_output = on_output
        self._process = process
        self._rejections = RejectionLog(store, process)
        self._jobs: dict[str, Job] = {}
        self._accepting: dict[str, CommandError | None] = {}
        """The commands, by corr_id, that the store is deciding on, and why one was cancelled meanwhile."""

    async def submit(self, envelope: str, ingress: Ingress) -> Result:
        """Execute a command and return its result, or its rejection."""
        proven, signed = ProvenClaims(), signed_command(envelope)
        try:
            command = self._verify(signed, ingress)
            proven = _claims_of(command)
            job = await self._accept(signed, command, ingress)
            return job if isinstance(job, Result) else await asyncio.shield(job.done)
        except CommandError as error:
            proven = error.proven if isinstance(error, Rejected) else proven
            return self._failure(await self._rejections.record(error, ingress.source, proven), proven)

    async def dry_run(self, envelope: str, ingress: Ingress) -> DryRun:
        """Return what a command would do. It is verified, admitted and audited like any other, but not marked as used.

        Raises:
            CommandError: the command is rejected.
        """
        proven, signed = ProvenClaims(), signed_command(envelope)
        try:
            command = self._verify(signed, ingress)
            proven = _claims_of(command)
            with self._admission.hold(command, monotonic_seconds(), is_dry_run=True):
                return await self._preview(signed, command, ingress)
        except CommandError as error:
            proven = error.proven if isinstance(error, Rejected) else proven
            raise await self._rejections.record(error, ingress.source, proven) from error

    def output(self, corr_id: str) -> OutputBuffer | None:
        """Return the output of a command that is queued or running."""
        job = self._jobs.get(corr_id)
        return job.output if job else None

    def cancel(self, corr_id: str, code: Code, reason: str) -> bool:
        """Cancel a command; return whether it was queued or running: then its result has this code and reason."""
        error = CommandError(code, reason, Status.ERROR)
        if (job := self._jobs.get(corr_id)) is not None:
            return job.cancel(error)
        if corr_id in self._accepting:
            self._accepting[corr_id] = error
            return True
        return False

    async def close(self) -> None:
        """Reject new commands, cancel those that are queued or running, and store their results."""
        self._admission.closed = True
        self._store.stop_retrying()
        for corr_id in tuple(self._jobs):
            self.cancel(corr_id, Code.INTERRUPTED, "agent stopped while the command ran")
        await asyncio.gather(*(job.done for job in self._jobs.values()), return_exceptions=True)

    async def _preview(self, signed: SignedCommand, command: VerifiedCommand, ingress: Ingress) -> DryRun:
        verb = self._verbs[command.verb]
        event = previewed(command, verb, ingress.source, wall_seconds())
        await self._store.write_event(event, essential=False)
        log.info("command.previewed", extra=log_fields(self._process, _claims_of(command)))
        async with self._slots:
            command = self._verify(signed, ingress, was_queued=True)
            return await self._executor.dry_run(command, verb, self._part_of(verb))

    async def _accept(self, signed: SignedCommand, command: VerifiedCommand, ingress: Ingress) -> Job | Result:
        verb = self._verbs[command.verb]
        with ExitStack() as place:
            place.enter_context(self._admission.hold(command, monotonic_seconds()))
            event = accepted(command, verb, ingress.source, wall_seconds())
            self._accepting.setdefault(command.corr_id, None)
            try:
                verdict = await self._store.accept(command, event, read_only=verb.read_only)
            finally:
                cancellation = self._accepting.pop(command.corr_id, None)
            if not isinstance(verdict, Accepted):
                self._admission.count_repeat(command, monotonic_seconds())
            match verdict:
                case Stored(result):
                    return result
                case InProgress():
                    return await self._find_running(command.corr_id)
                case Accepted():
                    return self._start(self._make_job(signed, command, ingress, place.pop_all(), cancellation))
                case _:
                    assert_never(verdict)

    def _make_job(
        self,
        signed: SignedCommand,
        command: VerifiedCommand,
        ingress: Ingress,
        place: ExitStack,
        cancellation: CommandError | None,
    ) -> Job:
        if self._admission.closed:
            cancellation = CommandError(Code.INTERRUPTED, "agent stopped before the command began", Status.ERROR)
        done, now = asyncio.get_running_loop().create_future(), self._store.read_clocks()
        expires = now.boottime + command.exp - now.wall
        verb = self._verbs[command.verb]
        return Job(signed, command, verb, ingress, place, done, OutputBuffer(), expires, cancellation=cancellation)

    def _start(self, job: Job) -> Job:
        self._jobs[job.command.corr_id] = job
        job.task = self._group.create_task(self._execute(job), name=f"command {job.command.verb}")
        return job

    async def _find_running(self, corr_id: str) -> Job | Result:
        """Return the job of a command that is in progress, or its result if it has just finished."""
        if job := self._jobs.get(corr_id):
            return job
        if result := await self._store.result_of(corr_id):
            return result
        raise CommandError(Code.INTERRUPTED, "already running in another process", Status.ERROR)

    async def _execute(self, job: Job) -> None:
        fields = log_fields(self._process, _claims_of(job.command))
        log.info("command.accepted", extra=fields)
        try:
            with job.place:
                result = await self._run(job)
            job.has_finished = True
            await self._store.finish(
                job.command.corr_id, result, finished(job.command, job.verb, result, job.ingress.source)
            )
            log.info("command.finished", extra=fields | {"code": result.error_code.value})
            job.done.set_result(result)
        except Exception:  # the store failed: the next start reports the command as INTERRUPTED
            log.exception("command.store_failed", extra=fields)
            error = CommandError(Code.INTERRUPTED, "result could not be stored", Status.ERROR)
            job.done.set_result(self._failure(error, _claims_of(job.command)))
        finally:
            job.done.cancel()  # has no effect on a future that is done
            job.output.end()
            del self._jobs[job.command.corr_id]

    async def _run(self, job: Job) -> Result:
        """Return the result; never raises for a cancellation, which is an outcome of the command."""
        job.has_started = True
        proven = _claims_of(job.command)
        if job.cancellation:
            return self._failure(job.cancellation, proven)
        try:
            async with self._slots:
                if self._store.read_clocks().boottime >= job.expires_boottime:
                    return self._failure(CommandError(Code.EXPIRED_TOKEN, "expired while queued"), proven)
                command = self._verify(job.signed, job.ingress, was_queued=True)
                return await self._run_verb(job, command)
        except CommandError as error:  # it is no longer allowed
            return self._failure(error, proven)
        except asyncio.CancelledError as cancelled:  # while it was queued
            if task := asyncio.current_task():
                task.uncancel()
            return self._failure(cancellation_reason(cancelled), proven)

    async def _run_verb(self, job: Job, command: VerifiedCommand) -> Result:
        def on_output(octets: bytes) -> None:
            job.output.feed(octets)
            self._on_output(job.command.corr_id, octets)

        return await self._executor.run(command, job.verb, self._part_of(job.verb), on_output)

    def _failure(self, error: CommandError, proven: ProvenClaims) -> Result:
        """Return the result of a command that did not run."""
        return Result(
            corr_id=proven.corr_id or UNKNOWN,
            agent_id=self._agent_id,
            verb=proven.verb or UNKNOWN,
            status=error.status,
            error_code=error.code,
            ts=int(wall_seconds()),
            problem=str(error),
        )


def _claims_of(command: VerifiedCommand) -> ProvenClaims:
    return ProvenClaims(command.kid, command.corr_id, command.verb, command.actor, command.nonce)
