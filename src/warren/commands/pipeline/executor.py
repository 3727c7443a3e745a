"""Carries out a command: drives its verb, performs each effect, keeps the time, and says what became of it.

The only place where a command touches the host. What it does not have a handler for, it does not do.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from warren.clock import monotonic_seconds, wall_seconds
from warren.commands.command import Actor, VerifiedCommand
from warren.commands.effects.effect import Effect, EffectError, Effects, Finished, RunPrivileged
from warren.commands.result import EMPTY_SHA256, NOT_RUN, Code, CommandError, Result, Status
from warren.commands.schema import Schema, choose
from warren.commands.secrets import Mask, SealingKeyOf, Unseal, masked, opened, sealed
from warren.commands.settings import CommandSettings
from warren.commands.verbs import Data, Verb, VerbContext, VerbHandler
from warren.errors import WarrenError
from warren.strictjson import encode

T = TypeVar("T")
LEVELS = ("L3", "L2", "L1", "L0")
"""From the strongest on."""

UPKEEP = VerifiedCommand(
    envelope="",
    kid="",
    nonce="",
    corr_id="",
    verb="upkeep",
    args={},
    args_sha256="",
    actor=Actor("agent", ""),
    policy_id="",
    transport="",
    sid="",
    iat=0,
    exp=0,
    has_intent=False,
)
"""The command that internal work runs as. No transport accepts it: its envelope is empty."""
UPKEEP_VERB = Verb("upkeep", "what is due by itself", (Schema(),))

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Execution:
    """One command on its way, as handlers see it."""

    command: VerifiedCommand
    verb: Verb
    occasion: VerbContext
    deadline: float
    """By the monotonic clock, in seconds."""
    on_output: Callable[[bytes], None] | None = None
    args: Mapping[str, object] = field(default_factory=dict)
    """In plain."""
    secrets: tuple[bytes, ...] = ()
    """What nothing that leaves may show."""
    rc: int = NOT_RUN
    stdout: list[bytes] = field(default_factory=list)
    truncated: bool = False
    stderr_hash: str = EMPTY_SHA256
    level: str | None = None
    effects: list[str] | None = None
    """Of a dry run, what was asked for."""
    ends: ExitStack = field(default_factory=ExitStack)
    """What is let go when the command has ended, however it did."""

    def note(self, finished: Finished) -> None:
        """What a program of it left: the last exit status counts, and the weakest sandbox."""
        self.rc, self.stderr_hash = finished.rc, finished.stderr_sha256
        self.stdout.append(finished.stdout)
        self.truncated |= finished.truncated
        self.level = max(self.level or LEVELS[0], finished.level, key=LEVELS.index)

    def take_over(self, result: Result) -> None:
        """What the programs of another process left for this command counts as if they had run here."""
        self.rc, self.stderr_hash, self.level = result.rc, result.stderr_hash, result.level
        if result.stdout and result.stdout != encode(dict(result.data)).decode():
            self.stdout.append(result.stdout.encode())


Performer = Callable[[Any, Execution], Awaitable[object]]
Handlers = Mapping[type[Effect[Any]], Performer]


class Executor:
    """Of one process: the agent, or its runner."""

    def __init__(
        self, agent_id: str, settings: CommandSettings, handlers: Handlers, unseal: Unseal, key_of: SealingKeyOf
    ) -> None:
        self._agent_id = agent_id
        self._settings = settings
        here: Handlers = {RunPrivileged: self._carry_out_here}
        self._handlers = {**here, **handlers}
        self._unseal = unseal
        self._key_of = key_of

    async def run(
        self, command: VerifiedCommand, verb: Verb, part: VerbHandler, on_output: Callable[[bytes], None] | None = None
    ) -> Result:
        """Until it is done, or its time is up, or the task is cancelled: then the result says so. Never raises."""
        seconds = self._settings.sandbox.cmd_timeout_secs
        occasion = VerbContext(self._agent_id, command.corr_id, command.actor.id, self._settings)
        running = Execution(command, verb, occasion, monotonic_seconds() + seconds, on_output)
        started = monotonic_seconds()
        data, failure = await self._outcome(running, part, seconds)
        took = round((monotonic_seconds() - started) * 1000)
        return _result(running, self._agent_id, data, failure, took)

    async def tend(self, part: Callable[[VerbContext], Effects[T]]) -> T:
        """Work that no command asked for, as ending who has outlived a time. Raises EffectError and CommandError.

        It has no deadline: cancel it, or take one.
        """
        occasion = VerbContext(self._agent_id, UPKEEP.corr_id, UPKEEP.actor.id, self._settings)
        running = Execution(UPKEEP, UPKEEP_VERB, occasion, math.inf)
        with running.ends:
            return await self._drive(part(occasion), running)

    async def preview(self, command: VerifiedCommand, verb: Verb, part: VerbHandler) -> Data:
        """`{effects: […]}`: what it would do now, each as text; what only reads is done for it. Raises CommandError."""
        occasion = VerbContext(self._agent_id, command.corr_id, command.actor.id, self._settings)
        seconds = self._settings.sandbox.cmd_timeout_secs
        running = Execution(command, verb, occasion, monotonic_seconds() + seconds, effects=[])
        _, failure = await self._outcome(running, part, seconds)
        told: dict[str, object] = {"effects": [masked(each, running.secrets) for each in running.effects or ()]}
        return {**told, "problem": str(failure)} if failure else told

    async def _outcome(self, running: Execution, part: VerbHandler, seconds: int) -> tuple[Data, CommandError | None]:
        try:
            async with asyncio.timeout(seconds):
                self._open(running)
                data = await self._drive(part(running.args, running.occasion), running)
            return sealed(running.command, running.verb, data, self._key_of), None
        except CommandError as error:
            return {}, error
        except (EffectError, WarrenError) as error:
            return {}, CommandError(Code.EXEC_FAILED, str(error), Status.ERROR)
        except TimeoutError:
            problem = f"it was ended after {seconds} seconds"
            return {}, CommandError(Code.EXEC_TIMEOUT, problem, Status.TIMEOUT)
        except asyncio.CancelledError as error:
            if task := asyncio.current_task():
                task.uncancel()
            return {}, reason_of(error)
        except Exception:  # a mistake of ours in one verb ends no other command
            log.exception("command.crashed", extra={"verb": running.command.verb, "corr_id": running.command.corr_id})
            return {}, CommandError(Code.EXEC_FAILED, "a mistake in the agent itself; its log says more", Status.ERROR)
        finally:
            running.ends.close()

    def _open(self, running: Execution) -> None:
        running.args = opened(running.command, running.verb, self._unseal)
        secrets = choose(running.verb.schemas, running.args).secrets
        running.secrets = tuple(str(running.args[name]).encode() for name in secrets if name in running.args)
        if running.on_output:
            running.on_output = _masking(running.on_output, running.secrets)

    async def _carry_out_here(self, _: RunPrivileged, running: Execution) -> Data:
        """The privileged part, where this process has the rights itself."""
        if running.verb.privileged is None:
            raise EffectError(f"{running.verb.name} has no privileged part")
        return await self._drive(running.verb.privileged(running.args, running.occasion), running)

    async def _drive(self, effects: Effects[T], running: Execution) -> T:
        """What the verb returns. An effect that failed is raised where the verb asked for it."""
        outcome: object = None
        failure: EffectError | CommandError | None = None
        while True:
            try:
                effect = effects.throw(failure) if failure else effects.send(outcome)
            except StopIteration as end:
                done: T = end.value
                return done
            try:
                outcome, failure = await self._perform(effect, running), None
            except (EffectError, CommandError) as error:
                failure = error

    async def _perform(self, effect: Effect[object], running: Execution) -> object:
        if running.effects is not None and not isinstance(effect, RunPrivileged):
            running.effects.append(str(effect))
            if not effect.reads:
                return effect.pretended()
        handler = self._handlers.get(type(effect))
        if handler is None:
            raise EffectError(f"nothing on this host may do {type(effect).__name__}")
        return await handler(effect, running)


def _masking(show: Callable[[bytes], None], secrets: Sequence[bytes]) -> Callable[[bytes], None]:
    mask = Mask(secrets)
    return lambda octets: show(mask.feed(octets))


def reason_of(cancelled: asyncio.CancelledError) -> CommandError:
    """Who cancels says why."""
    match cancelled.args:
        case (CommandError() as error,):
            return error
        case _:
            return CommandError(Code.INTERRUPTED, "the agent ended while it ran", Status.ERROR)


def _result(running: Execution, agent_id: str, data: Data, failure: CommandError | None, took: int) -> Result:
    command = running.command
    stdout = b"".join(running.stdout) if running.stdout else encode(dict(data)) if data and not failure else b""
    return Result(
        corr_id=command.corr_id,
        agent_id=agent_id,
        verb=command.verb,
        status=failure.status if failure else Status.SUCCESS,
        error_code=failure.code if failure else Code.NONE,
        ts=int(wall_seconds()),
        rc=0 if running.rc == NOT_RUN and failure is None else running.rc,
        duration_ms=took,
        stdout=masked(stdout.decode(errors="replace"), running.secrets, cut=running.truncated),
        stderr_hash=running.stderr_hash,
        data=data,
        problem=masked(str(failure), running.secrets) if failure else "",
        level=running.level or LEVELS[-1],
    )
