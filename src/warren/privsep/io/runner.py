"""The runner: root's hand for signed commands, and nobody's else.

It takes nothing on trust from the agent that asks, and keeps its own record of what was used: an envelope is verified
here again, from the octets as received, by the trust bundle as root reads it. So an agent that was taken over can have
nothing done that no operator has signed, and nothing twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from warren.clock import wall_seconds
from warren.commands.admission import Admission
from warren.commands.command import MAX_LIFE_SECONDS
from warren.commands.effects.effect import Effects
from warren.commands.envelope import Ingress
from warren.commands.handlers.resources import Resources
from warren.commands.handlers.table import handlers
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.command_pipeline import CommandPipeline
from warren.commands.pipeline.executor import Executor
from warren.commands.pipeline.periodic import run_periodic
from warren.commands.pipeline.verifier import Verifier
from warren.commands.registry import PERIODIC_TASKS, VERBS
from warren.commands.result import Code, CommandError, Result, Status
from warren.commands.sealing import unsealer
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore
from warren.commands.verb import Data, Verb, VerbContext, VerbHandler
from warren.privsep.io.pinned_node import check_placed
from warren.privsep.runner_protocol import Cancel, Event, Execute, Message, Output, ResultMessage
from warren.ratelimit import RateLimit
from warren.trust.identity import NodeIdentity

PER_MINUTE = 1_000_000  # the agent keeps the rates; here a number that no agent reaches

log = logging.getLogger(__name__)


class Runner:
    """Answers the words of one agent."""

    def __init__(
        self,
        settings: CommandSettings,
        identity: NodeIdentity,
        store: CommandStore,
        say: Callable[[Message], None],
        group: asyncio.TaskGroup,
    ) -> None:
        self._identity = identity
        self._settings = settings
        self._trusted = BundleCache(settings.security, check_placed)
        self._say = say
        self._group = group
        self._executor = Executor(
            identity.agent_id,
            settings,
            handlers(Resources(settings, store, self._tell), privileged=True),
            unsealer(identity.sealing),
            self._trusted.sealing_key,
        )
        # As the agent has done, but that it may have waited for its turn there.
        verifier = Verifier(identity.agent_id, self._trusted, settings.security.exec_enable, MAX_LIFE_SECONDS)
        self._intake = CommandPipeline(
            identity.agent_id,
            verify=verifier.verify,
            verbs=VERBS,
            part_of=_privileged,
            admission=Admission(RateLimit(PER_MINUTE), RateLimit(PER_MINUTE), settings.sandbox.queue),
            max_concurrency=settings.sandbox.max_concurrency,
            store=store,
            executor=self._executor,
            group=group,
            on_output=lambda corr_id, octets: say(Output(corr_id, octets)),
            process="runner",
        )

    def hear(self, word: Message) -> None:
        """Begins what is asked."""
        match word:
            case Execute():
                self._group.create_task(self._carry_out(word), name="command of the agent")
            case Cancel(corr_id, code, why):
                self._intake.cancel(corr_id, Code(code), why)
            case _:
                log.warning("runner.ignored", extra={"word": type(word).__name__})

    async def run_periodic(self) -> None:
        """Does what is due by itself, until cancelled."""
        await run_periodic(self._executor, PERIODIC_TASKS)

    async def close(self) -> None:
        """Ends what is under way."""
        await self._intake.close()

    async def _carry_out(self, word: Execute) -> None:
        way = Ingress(word.transport, word.sid, word.source)
        work = self._preview(word.envelope, way) if word.dry else self._intake.submit(word.envelope, way)
        self._say(ResultMessage(word.number, await work))

    async def _preview(self, envelope: str, way: Ingress) -> Result:
        agent_id, now = self._identity.agent_id, int(wall_seconds())
        try:
            dry_run = await self._intake.dry_run(envelope, way)
        except CommandError as error:
            return Result("unknown", agent_id, "unknown", error.status, error.code, now, problem=str(error))
        data = {"effects": [*dry_run.effects], "problem": dry_run.problem, "data": dict(dry_run.data)}
        return Result("unknown", agent_id, "unknown", Status.SUCCESS, Code.NONE, now, data=data)

    def _tell(self, event: str, fields: Mapping[str, object]) -> None:
        self._say(Event(event, fields))


def _privileged(verb: Verb) -> VerbHandler:
    if verb.privileged is None:
        return carry_out_nothing
    return verb.privileged


def carry_out_nothing(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
    """Of a verb that has no such part: the agent does not ask for it."""
    yield from ()
    raise CommandError(Code.POLICY_DENIED, "verb has no privileged part")
