"""Signed commands in the agent: its keys, its record of what was used, its audit log, and the local door.

Put together here and imported by who wants commands alone: a node without them carries none of it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from warren.agent.command_api import CommandFrontend
from warren.agent.io.agent_context import AgentContext
from warren.agent.io.command_actions import CommandApi
from warren.audit.event import AuditEvent, Origin
from warren.audit.io.journal import DAY_SECONDS, Journal, Retention
from warren.clock import monotonic_seconds, wall_seconds
from warren.commands.admission import Admission, Rate
from warren.commands.bootstrap_routes import BootstrapPages
from warren.commands.effects.effect import Emit
from warren.commands.handlers.files import file_handlers
from warren.commands.handlers.host_metrics import HostState
from warren.commands.handlers.records import record_handlers
from warren.commands.handlers.service_monitor import ServiceWatch
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.command_pipeline import CommandPipeline
from warren.commands.pipeline.executor import Execution, Executor, Handlers
from warren.commands.pipeline.periodic import keep_up
from warren.commands.pipeline.verifier import Verifier
from warren.commands.providers.system import AskAgent, RecentCommands
from warren.commands.registry import UPKEEP, VERBS
from warren.commands.sealed import unsealer
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore
from warren.errors import HostError
from warren.files.unix_socket import find_group
from warren.http.io import server
from warren.http.io.listeners import open_unix
from warren.jws import to_base64url
from warren.privsep.helper_protocol import OpenRunner
from warren.privsep.io.root_handlers import root_handlers
from warren.privsep.io.runner_client import RunnerClient
from warren.telemetry.conditions import Condition
from warren.trust.bundle import expiry_problem
from warren.trust.identity import NodeIdentity
from warren.trust.io.identity_file import read_identity

SID_BYTES = 16
BOOT = Path("/proc/sys/kernel/random/boot_id")
MEGABYTE = 1 << 20

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_command_service(settings: CommandSettings, surroundings: AgentContext) -> AsyncIterator[CommandFrontend]:
    """Until the block ends: then nothing is under way, and the log ends with a checkpoint. Raises WarrenError."""
    identity = read_identity(Path(settings.security.identity))
    sid = to_base64url(secrets.token_bytes(SID_BYTES))
    keeping = Retention(
        settings.monitoring.max_log_size_mb * MEGABYTE, settings.monitoring.log_retention_days * DAY_SECONDS
    )
    store = CommandStore(
        Path(settings.commands),
        Origin(identity.agent_id, boot=_boot(), session=sid),
        Journal(Path(settings.audit), identity.agent_id, identity.signing, keeping),
        rows=settings.security.single_use_rows,
        retention_seconds=keeping.seconds,
    )
    for result in await store.recover():
        log.warning("command.interrupted", extra={"corr_id": result.corr_id, "verb": result.verb})
    commanding = CommandService(settings, identity, sid, store, surroundings)
    try:
        commanding.start()
        yield CommandFrontend(commanding.door.actions(), commanding.conditions)
    finally:
        await commanding.close()
        await store.close()


def _boot() -> str:
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


class CommandService:
    """The local door and what is behind it."""

    def __init__(
        self, settings: CommandSettings, identity: NodeIdentity, sid: str, store: CommandStore, around: AgentContext
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._sid = sid
        self._store = store
        self._around = around
        self._trusted = BundleCache(settings.security)
        self._host = HostState(settings.monitoring.status_interval_seconds)
        self._services = ServiceWatch(
            settings.services, settings.monitoring.health_check_interval_seconds, self._host.states
        )
        self._beside: list[asyncio.Task[None]] = []
        self._troubles: list[Condition] = []
        self._runner = self._make_runner()
        self._executor = Executor(
            identity.agent_id, settings, self._handlers(), unsealer(identity.sealing), self._trusted.sealing_key
        )
        security, sandbox = settings.security, settings.sandbox
        self._intake = CommandPipeline(
            identity.agent_id,
            verify=Verifier(identity.agent_id, self._trusted, security.exec_enable).verify,
            verbs=VERBS,
            part_of=lambda verb: verb.run,
            admission=Admission(
                Rate(security.rate_per_minute), Rate(security.verb_rate_per_minute, self._trusted.rate), sandbox.queue
            ),
            at_once=sandbox.max_concurrency,
            single_use=store,
            executor=self._executor,
            group=around.group,
        )
        self.door = CommandApi(identity, sid, self._trusted, self._intake, store, around.group)

    def conditions(self) -> Iterator[Condition]:
        """What a person should know."""
        bundle = self._trusted.bundle()
        if bundle is None:
            yield Condition("trust.missing", f"{self._trusted.problem}: no command can be verified")
        elif problem := expiry_problem(bundle, wall_seconds()):
            yield Condition("trust.expiring", problem)
        if (trouble := self._store.audit_trouble) is not None:
            yield Condition("audit.unwritable", f"{self._settings.audit}: {trouble.strerror}: what changes is refused")
        yield from self._troubles
        yield from self._services.conditions()
        if self._runner is not None:
            yield from self._runner.conditions()

    def start(self) -> None:
        """Begins what goes on beside commands."""
        self._go_on(self._host.watch(), "host")
        self._go_on(self._services.watch(), "services")
        if self._runner is not None:
            self._go_on(self._runner.run(), "runner")
        elif self._settings.security.exec_enable:
            self._go_on(keep_up(self._executor, UPKEEP), "upkeep")
        if (path := self._settings.services.bootstrap_socket) is not None:
            self._open_bootstrap(Path(path))

    async def close(self) -> None:
        """Ends what is under way."""
        await self._intake.close()
        for task in self._beside:
            task.cancel()

    def _go_on(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._beside.append(self._around.group.create_task(work, name=name))

    def _open_bootstrap(self, path: Path) -> None:
        group = self._settings.services.bootstrap_group
        try:
            door = open_unix(path, find_group(group).gid if group else None)
        except HostError as error:
            log.error("bootstrap.unavailable", extra={"error": str(error)})  # noqa: TRY400, no traceback
            hint = f"let the agent's user be in {group}, or see the error" if group else error.hint
            self._troubles.append(Condition("bootstrap.unavailable", f"{error}; {hint}"))
            return
        pages = BootstrapPages(lambda effects: self._executor.tend(lambda _: effects), monotonic_seconds)
        self._go_on(server.serve(door, pages), "bootstrap door")

    def _make_runner(self) -> RunnerClient | None:
        """Where there is a helper; else this process has the rights that it has."""
        helper = self._around.rights.helper
        if helper is None or not self._settings.security.exec_enable:
            return None
        grace = self._settings.sandbox.grace_seconds
        return RunnerClient(lambda: helper.ask_descriptor(OpenRunner()), self._sid, grace, self._tell)

    def _handlers(self) -> Handlers:
        own: Handlers = {Emit: self._emit, AskAgent: self._ask_agent, RecentCommands: self._recent_commands}
        rights = self._runner.handlers() if self._runner else root_handlers(self._settings, self._tell)
        return {
            **file_handlers(),
            **self._host.handlers(),
            **record_handlers(self._store.records),
            **rights,
            **own,
        }

    async def _ask_agent(self, _: AskAgent, __: Execution) -> Mapping[str, object]:
        return self._around.about()

    async def _recent_commands(self, effect: RecentCommands, _: Execution) -> tuple[Mapping[str, object], ...]:
        return self.door.recent(effect.count)

    async def _emit(self, effect: Emit, running: Execution) -> None:
        self._tell(effect.event, {"corr_id": running.command.corr_id, **effect.fields})

    def _tell(self, event: str, fields: Mapping[str, object]) -> None:
        log.info(event, extra=dict(fields))
        corr_id = fields.get("corr_id")
        details = {name: value for name, value in fields.items() if name != "corr_id"}
        noted = AuditEvent(event, int(wall_seconds()), str(corr_id) if corr_id else None, details=details)
        self._around.group.create_task(self._note(noted), name=f"note of {event}")

    async def _note(self, event: AuditEvent) -> None:
        try:
            await self._store.note(event)
        except Exception as error:  # noqa: BLE001, the log on the disk is in trouble: the other log says so
            log.error("event.not_recorded", extra={"of": event.event, "error": str(error)})  # noqa: TRY400
