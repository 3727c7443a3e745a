"""Executes a command: drives its verb, performs each effect, enforces the time limit, and makes the result.

This is the only place where a command reaches the host. An effect without a handler is not performed.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TypeVar

from warren.clock import monotonic_seconds, wall_seconds
from warren.commands.command import Actor, VerifiedCommand
from warren.commands.dry_run import DryRun
from warren.commands.effects.effect import Effect, EffectError, Effects
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.execution import LEVELS, Execution, Handlers
from warren.commands.result import NOT_RUN, Code, CommandError, Result, Status
from warren.commands.result_json import limit_result
from warren.commands.schema import Schema, choose
from warren.commands.sealing import SealingKeyOf, Unseal, open_args, seal_data, secret_names
from warren.commands.secret_mask import mask_secrets
from warren.commands.settings import CommandSettings
from warren.commands.verb import Data, Verb, VerbContext, VerbHandler
from warren.errors import WarrenError
from warren.strictjson import encode

T = TypeVar("T")

INTERNAL = VerifiedCommand(
    envelope="",
    kid="",
    nonce="",
    corr_id="",
    cluster="",
    agent_id="",
    verb="internal",
    args={},
    args_sha256="",
    actor=Actor("agent", ""),
    policy_id="",
    transport="",
    sid="",
    iat=0,
    exp=0,
    intent_iat=None,
)
"""The command that internal work runs as. No transport accepts it: its envelope is empty."""
TRUNCATED = "\n[truncated]"
"""Ends a text of which more was written than is kept (V-73)."""
INTERNAL_VERB = Verb("internal", "internal work", (Schema(),))

log = logging.getLogger(__name__)


class Executor:
    """The executor of one process: the agent, or its runner."""

    def __init__(
        self, agent_id: str, settings: CommandSettings, handlers: Handlers, unseal: Unseal, key_of: SealingKeyOf
    ) -> None:
        self._agent_id = agent_id
        self._settings = settings
        direct: Handlers = {RunPrivileged: self._run_privileged}
        self._handlers = {**direct, **handlers}
        self._unseal = unseal
        self._key_of = key_of

    async def run(
        self, command: VerifiedCommand, verb: Verb, part: VerbHandler, on_output: Callable[[bytes], None] | None = None
    ) -> Result:
        """Execute a part of a verb and return the result, also at the time limit and when the task is cancelled."""
        execution = self._begin(command, verb)
        execution.on_output = on_output
        started = monotonic_seconds()
        data, failure = await self._outcome(execution, part)
        duration_ms = round((monotonic_seconds() - started) * 1000)
        return limit_result(_result(execution, self._agent_id, data, failure, duration_ms))

    async def dry_run(self, command: VerifiedCommand, verb: Verb, part: VerbHandler) -> DryRun:
        """Return the effects that a part of a verb would have now; those that only read are performed."""
        execution = self._begin(command, verb)
        execution.dry_run_effects = []
        data, failure = await self._outcome(execution, part)
        effects = tuple(mask_secrets(effect, execution.secrets) for effect in execution.dry_run_effects)
        return DryRun(effects, mask_secrets(str(failure), execution.secrets) if failure else "", data)

    async def run_internal(self, work: Callable[[VerbContext], Effects[T]]) -> T:
        """Perform effects that no command asked for; without a time limit, until it is cancelled.

        Raises:
            EffectError, CommandError: as the effects do.
        """
        context = VerbContext(self._agent_id, INTERNAL.corr_id, INTERNAL.actor.id, self._settings)
        execution = Execution(INTERNAL, INTERNAL_VERB, context, math.inf)
        with execution.cleanup:
            return await self._drive(work(context), execution)

    def _begin(self, command: VerifiedCommand, verb: Verb) -> Execution:
        context = VerbContext(self._agent_id, command.corr_id, command.actor.id, self._settings)
        deadline = monotonic_seconds() + self._settings.sandbox.cmd_timeout_secs
        return Execution(command, verb, context, deadline, args=command.args)

    async def _outcome(self, execution: Execution, part: VerbHandler) -> tuple[Data, CommandError | None]:
        """Return the data of the verb, or why it failed. Never raises."""
        seconds = self._settings.sandbox.cmd_timeout_secs
        try:
            async with asyncio.timeout(seconds):
                if part is execution.verb.privileged or execution.verb.privileged is None:
                    self._open_secrets(execution)
                else:
                    choose(execution.verb.schemas, execution.args, secret_names(execution.verb.schemas))
                data = await self._drive(part(execution.args, execution.context), execution)
            return seal_data(execution.command, execution.verb, data, self._key_of), None
        except CommandError as error:
            return {}, error
        except (EffectError, WarrenError) as error:
            return {}, CommandError(Code.EXEC_FAILED, str(error), Status.ERROR)
        except TimeoutError:
            problem = f"time limit of {seconds} s exceeded"
            return {}, CommandError(Code.EXEC_TIMEOUT, problem, Status.TIMEOUT)
        except asyncio.CancelledError as error:
            if task := asyncio.current_task():
                task.uncancel()
            return {}, cancellation_reason(error)
        except Exception:  # a defect in one verb must not end other commands
            command = execution.command
            log.exception("command.crashed", extra={"verb": command.verb, "corr_id": command.corr_id})
            return {}, CommandError(Code.EXEC_FAILED, "internal error; see the agent log", Status.ERROR)
        finally:
            execution.cleanup.close()

    def _open_secrets(self, execution: Execution) -> None:
        """Open the secret arguments for the part of the verb that needs them, before its first effect."""
        execution.args = open_args(execution.command, execution.verb, self._unseal)
        names = choose(execution.verb.schemas, execution.args).secrets
        execution.secrets = tuple(str(execution.args[name]).encode() for name in names if name in execution.args)

    async def _run_privileged(self, _: RunPrivileged, execution: Execution) -> Data:
        """Run the privileged part here: this process has the privileges itself."""
        if execution.verb.privileged is None:
            raise EffectError(f"{execution.verb.name} has no privileged part")
        self._open_secrets(execution)
        return await self._drive(execution.verb.privileged(execution.args, execution.context), execution)

    async def _drive(self, effects: Effects[T], execution: Execution) -> T:
        """Return what the verb returns; an effect that fails is raised where the verb yielded it."""
        outcome: object = None
        failure: EffectError | CommandError | None = None
        while True:
            try:
                effect = effects.throw(failure) if failure else effects.send(outcome)
            except StopIteration as stop:
                value: T = stop.value
                return value
            try:
                outcome, failure = await self._perform(effect, execution), None
            except (EffectError, CommandError) as error:
                failure = error

    async def _perform(self, effect: Effect[object], execution: Execution) -> object:
        if execution.dry_run_effects is not None and not isinstance(effect, RunPrivileged):
            execution.dry_run_effects.append(str(effect))
            if not effect.reads:
                return effect.simulated()
        handler = self._handlers.get(type(effect))
        if handler is None:
            raise EffectError(f"no handler for effect {type(effect).__name__}")
        return await handler(effect, execution)


def cancellation_reason(cancelled: asyncio.CancelledError) -> CommandError:
    """Return the reason that the caller of `Task.cancel` gave."""
    match cancelled.args:
        case (CommandError() as error,):
            return error
        case _:
            return CommandError(Code.INTERRUPTED, "agent stopped while the command ran", Status.ERROR)


def _result(execution: Execution, agent_id: str, data: Data, failure: CommandError | None, duration_ms: int) -> Result:
    command = execution.command
    stdout = b"".join(execution.stdout) if execution.stdout else encode(dict(data)) if data and not failure else b""
    return Result(
        corr_id=command.corr_id,
        agent_id=agent_id,
        verb=command.verb,
        status=failure.status if failure else Status.SUCCESS,
        error_code=failure.code if failure else Code.NONE,
        ts=int(wall_seconds()),
        rc=0 if execution.rc == NOT_RUN and failure is None else execution.rc,
        duration_ms=duration_ms,
        stdout=mask_secrets(stdout.decode(errors="replace"), execution.secrets) + TRUNCATED * execution.truncated,
        stderr_hash=execution.stderr_hash,
        data=data,
        problem=mask_secrets(str(failure), execution.secrets) if failure else "",
        level=execution.level or LEVELS[-1],
    )
