"""The runner: root's process for signed commands.

It trusts nothing that the agent sends, and keeps its own record of used commands: an envelope is verified here again,
from the octets as received, by the trust bundle that root has installed. So an agent that was taken over can run
nothing that no operator has signed, and nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from warren.commands.admission import Admission
from warren.commands.command import MAX_LIFE_SECONDS
from warren.commands.dry_run import DryRun
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
from warren.commands.result import Code, CommandError
from warren.commands.sealing import unsealer
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore
from warren.commands.verb import Data, Verb, VerbContext, VerbHandler
from warren.errors import InputError
from warren.privsep.runner_protocol import (
    Cancel,
    Event,
    Execute,
    Message,
    Output,
    Preview,
    Rejection,
    ResultMessage,
)
from warren.ratelimit import RateLimit
from warren.trust.identity import PinnedNode

MINUTE_SECONDS = 60
BURST_MINUTES = MAX_LIFE_SECONDS // MINUTE_SECONDS + 1
"""The agent admits by the same rates, but what it has admitted may wait there for its lifetime and come at once."""


class Runner:
    """Performs the requests of one agent; `send` writes a message to it.

    `is_exec_enabled` and `bundles` are asked whenever a command is verified; `store` has its time floor of the latter.
    """

    def __init__(  # noqa: PLR0913, PLR0917, each is a part of it
        self,
        settings: CommandSettings,
        identity: PinnedNode,
        store: CommandStore,
        send: Callable[[Message], None],
        group: asyncio.TaskGroup,
        is_exec_enabled: Callable[[], bool],
        bundles: BundleCache,
    ) -> None:
        self._send = send
        self._group = group
        # An agent has no more under way than its own queue holds; what comes beyond that waits unread.
        self._places = asyncio.Semaphore(settings.sandbox.queue)
        self._previews: set[asyncio.Task[None]] = set()
        self._executor = Executor(
            identity.agent_id,
            settings,
            handlers(Resources(settings, store, self._emit), privileged=True),
            unsealer(identity.sealing),
            bundles.sealing_key,
        )
        verifier = Verifier(identity.agent_id, bundles, is_exec_enabled, store.read_clocks, is_runner=True)
        self._pipeline = CommandPipeline(
            identity.agent_id,
            verify=verifier.verify,
            verbs=VERBS,
            part_of=_privileged_part,
            admission=Admission(
                RateLimit(BURST_MINUTES * settings.security.rate_per_minute),
                RateLimit(BURST_MINUTES * settings.security.verb_rate_per_minute, _burst_of(bundles.rate)),
                settings.sandbox.queue,
            ),
            max_concurrency=settings.sandbox.max_concurrency,
            store=store,
            executor=self._executor,
            group=group,
            on_output=lambda corr_id, octets: send(Output(corr_id, octets)),
            process="runner",
        )

    async def perform(self, message: Message) -> None:
        """Begin what a message of the agent asks for, as soon as there is a place for it.

        Raises InputError for a message that only a runner sends.
        """
        match message:
            case Execute():
                await self._places.acquire()
                task = self._group.create_task(self._execute(message), name="command of the agent")
                if message.dry_run:
                    self._previews.add(task)
                    task.add_done_callback(self._previews.discard)
            case Cancel(corr_id, code, reason):
                self._pipeline.cancel(corr_id, code, reason)
            case _:
                raise InputError(f"{type(message).__name__} is not a request to a runner", code="helper.refused")

    async def run_periodic(self) -> None:
        """Run the periodic tasks until cancelled."""
        await run_periodic(self._executor, PERIODIC_TASKS)

    async def close(self) -> None:
        """Cancel what runs."""
        for preview in self._previews:
            preview.cancel()
        await self._pipeline.close()

    async def _execute(self, request: Execute) -> None:
        ingress = Ingress(request.transport, request.sid, request.source)
        try:
            if request.dry_run:
                self._send(Preview(request.number, await self._preview(request.envelope, ingress)))
            else:
                self._send(ResultMessage(request.number, await self._pipeline.submit(request.envelope, ingress)))
        finally:
            self._places.release()

    async def _preview(self, envelope: str, ingress: Ingress) -> DryRun | Rejection:
        try:
            return await self._pipeline.dry_run(envelope, ingress)
        except CommandError as error:
            return Rejection.of_error(error)

    def _emit(self, event: str, fields: Mapping[str, object]) -> None:
        self._send(Event(event, fields))


def _burst_of(rate: Callable[[str], int | None]) -> Callable[[str], int | None]:
    """Return a bundle's rates of verbs as those of the runner."""

    def burst(verb: str) -> int | None:
        per_minute = rate(verb)
        return None if per_minute is None else BURST_MINUTES * per_minute

    return burst


def _privileged_part(verb: Verb) -> VerbHandler:
    return _reject if verb.privileged is None else verb.privileged


def _reject(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
    """Reject a verb for which the agent needs no runner."""
    yield from ()
    raise CommandError(Code.POLICY_DENIED, "verb has no privileged part")
