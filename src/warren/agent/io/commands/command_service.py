"""Run signed commands in the agent: the node's keys, the command store, the audit log, the pipeline and its handlers.

Only `subsystem` imports this module, and only where a trust root is pinned: a node without commands loads none of it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from warren.agent.io.commands.context import AgentContext
from warren.agent.io.commands.local_ingress import LocalIngress
from warren.audit.event import AuditEvent, Origin
from warren.audit.io.journal import DAY_SECONDS, Journal, Retention
from warren.clock import boot_id, monotonic_seconds, wall_seconds
from warren.commands.admission import Admission, verb_of
from warren.commands.bootstrap_routes import BootstrapRoutes
from warren.commands.execution import Handlers
from warren.commands.handlers.host import HostMetrics
from warren.commands.handlers.resources import AgentQueries, Resources
from warren.commands.handlers.service_monitor import ServiceMonitor
from warren.commands.handlers.table import handlers
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.command_pipeline import CommandPipeline
from warren.commands.pipeline.executor import Executor
from warren.commands.pipeline.periodic import run_periodic
from warren.commands.pipeline.verifier import Verifier
from warren.commands.registry import PERIODIC_TASKS, VERBS
from warren.commands.sealing import Unseal, refuse_to_open, unsealer
from warren.commands.settings import CommandSettings
from warren.commands.store.command_store import CommandStore
from warren.errors import HostError
from warren.files.unix_socket import find_group
from warren.http.auth import Access
from warren.http.io import server
from warren.http.io.listeners import HttpListener, open_unix
from warren.http.io.opening import Opening
from warren.http.router import HttpRouter
from warren.jws import to_base64url
from warren.privsep.io.runner_client import RunnerClient
from warren.privsep.io.service_user import is_root
from warren.ratelimit import RateLimit
from warren.telemetry.conditions import Condition
from warren.trust.bundle import expiry_problem
from warren.trust.identity import NodeIdentity
from warren.trust.io.identity_file import read_identity, read_pinned_node

SESSION_ID_BYTES = 16
MEGABYTE = 1 << 20

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_command_service(settings: CommandSettings, context: AgentContext) -> AsyncIterator[CommandService]:
    """Open the service until the block ends: then no command runs, and the audit log ends with a checkpoint.

    Raises WarrenError.
    """
    identity = read_identity(Path(settings.security.identity))
    sid = to_base64url(secrets.token_bytes(SESSION_ID_BYTES))
    bundles, monitoring = BundleCache(settings.security), settings.monitoring
    bundles.bundle()  # so that the first checkpoint has its cluster
    retention = Retention(
        monitoring.max_log_size_mb * MEGABYTE,
        monitoring.log_retention_days * DAY_SECONDS,
        monitoring.audit_log_max_mb * MEGABYTE,
    )
    store = CommandStore(
        Path(settings.commands),
        Origin(identity.agent_id, boot=boot_id(), session=sid),
        Journal(Path(settings.audit), identity.agent_id, identity.signing, retention, bundles.cluster),
        rows=settings.security.single_use_rows,
        retention_seconds=retention.seconds,
        max_bytes=settings.security.store_max_mb * MEGABYTE,
        floor=bundles.time_floor,
        on_failure=_log_store,
    )
    for result in await store.recover():
        log.warning("command.interrupted", extra={"corr_id": result.corr_id, "verb": result.verb})
    service = CommandService(settings, identity, sid, store, bundles, context)
    try:
        yield service
    finally:
        await service.close()
        await store.close()


def _log_store(error: HostError | None) -> None:
    if error is None:
        log.info("store.recovered")
    else:
        log.error("store.failed", extra={"code": error.code, "error": str(error)})


class CommandService:
    """Connect the pipeline of commands with its store, its executor and the host."""

    def __init__(  # noqa: PLR0913, PLR0917, each is a part of it
        self,
        settings: CommandSettings,
        identity: NodeIdentity,
        sid: str,
        store: CommandStore,
        bundles: BundleCache,
        context: AgentContext,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._sid = sid
        self._store = store
        self._context = context
        self._bundles = bundles
        self._host = HostMetrics(settings.monitoring.status_interval_seconds)
        self._services = ServiceMonitor(
            settings.services, settings.monitoring.health_check_interval_seconds, self._host.states
        )
        self._bootstrap = self._make_bootstrap_listener()
        self._runner = self._make_runner()
        self._executor = Executor(
            identity.agent_id, settings, self._handlers(), self._unseal(), self._bundles.sealing_key
        )
        security, sandbox = settings.security, settings.sandbox
        self._pipeline = CommandPipeline(
            identity.agent_id,
            verify=Verifier(identity.agent_id, self._bundles, context.exec_switch.is_enabled, store.read_clocks).verify,
            verbs=VERBS,
            part_of=lambda verb: verb.run,
            admission=Admission(
                RateLimit(security.rate_per_minute),
                RateLimit(security.verb_rate_per_minute, lambda key: self._bundles.rate(verb_of(key))),
                sandbox.queue,
            ),
            max_concurrency=sandbox.max_concurrency,
            store=store,
            executor=self._executor,
            group=context.group,
        )
        self.ingress = LocalIngress(identity, sid, self._bundles, self._pipeline, store, context.group)

    def conditions(self) -> Iterator[Condition]:
        """Yield what keeps commands from being verified, recorded or run."""
        bundle = self._bundles.bundle()
        if bundle is None:
            yield Condition("trust.missing", f"{self._bundles.problem}: no command can be verified")
        elif problem := expiry_problem(bundle, self._store.read_clocks().wall):
            yield Condition("trust.expiring", problem)
        if (error := self._store.audit_error) is not None:
            problem = f"{self._settings.audit}: {error.strerror}: commands that change something are rejected"
            yield Condition("audit.unwritable", problem)
        if (problem := self._store.ahead_problem) is not None:
            yield Condition("command.record_ahead", problem)
        if (problem := self._store.behind_problem) is not None:
            yield Condition("command.clock_behind", f"{problem}: commands are verified by the latter")
        if (failure := self._store.error) is not None:
            yield Condition("command.store_failed", f"{failure}: commands are refused")
        if (problem := self._store.full_problem) is not None:
            yield Condition("command.store_full", f"{problem}: commands are refused")
        yield from self._bootstrap_conditions()
        yield from self._services.conditions()
        if self._runner is not None:
            yield from self._runner.conditions()

    async def run(self) -> None:
        """Observe the host and run periodic tasks, the runner and the bootstrap endpoint until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._host.watch(), name="commands host")
            group.create_task(self._services.watch(), name="commands services")
            if self._runner is not None:
                group.create_task(self._runner.run(), name="commands runner")
            elif self._settings.security.exec_enable:
                group.create_task(run_periodic(self._executor, PERIODIC_TASKS), name="commands periodic")
            if self._bootstrap is not None:
                group.create_task(self._serve_bootstrap(self._bootstrap), name="commands bootstrap")

    async def close(self) -> None:
        """Reject new commands, and end those that run."""
        await self._pipeline.close()

    def _make_bootstrap_listener(self) -> Opening[HttpListener] | None:
        """Listen for bootstrap tokens, if configured; what cannot be opened yet is tried again in `run`."""
        path, group = self._settings.services.bootstrap_socket, self._settings.services.bootstrap_group
        if path is None:
            return None
        listener = Opening(path, lambda: open_unix(Path(path), find_group(group).gid if group else None))
        listener.attempt()
        return listener

    async def _serve_bootstrap(self, listener: Opening[HttpListener]) -> None:
        routes = BootstrapRoutes(lambda effects: self._executor.run_internal(lambda _: effects), monotonic_seconds)
        await server.serve(await listener.wait(), HttpRouter(routes.routes(), Access))

    def _bootstrap_conditions(self) -> Iterator[Condition]:
        if self._bootstrap is not None and (problem := self._bootstrap.problem) is not None:
            group = self._settings.services.bootstrap_group
            hint = f"add the agent's user to the group {group}, or see the error" if group else problem.hint
            yield Condition("bootstrap.unavailable", f"{problem}; {hint}")

    def _make_runner(self) -> RunnerClient | None:
        """Return the client of the privileged runner, or None where this process runs privileged parts itself."""
        open_runner = self._context.privileged.open_runner
        if open_runner is None or not self._settings.security.exec_enable:
            return None
        grace = self._settings.sandbox.grace_seconds
        return RunnerClient(open_runner, self._sid, grace, self._emit_event)

    def _unseal(self) -> Unseal:
        """Return what opens secret arguments: nothing where there is a runner, which has the key.

        An agent that stays root has the key itself. Raises WarrenError.
        """
        sealing = self._identity.sealing
        if self._runner is None and sealing is None and is_root():
            sealing = read_pinned_node(Path(self._settings.security.identity)).sealing
        return refuse_to_open if self._runner is not None or sealing is None else unsealer(sealing)

    def _handlers(self) -> Handlers:
        queries = AgentQueries(self._host, self._context.describe, self._recent_commands)
        resources = Resources(self._settings, self._store, self._emit_event, queries)
        own = handlers(resources, privileged=self._runner is None)
        return own if self._runner is None else {**own, **self._runner.handlers()}

    def _recent_commands(self, count: int) -> tuple[Mapping[str, object], ...]:
        return self.ingress.recent(count)  # which is made after the handlers

    def _emit_event(self, event: str, fields: Mapping[str, object]) -> None:
        """Write an event to the agent's log, and soon afterwards to the audit log."""
        log.info(event, extra=dict(fields))
        corr_id = fields.get("corr_id")
        details = {name: value for name, value in fields.items() if name != "corr_id"}
        audit_event = AuditEvent(event, int(wall_seconds()), str(corr_id) if corr_id else None, details=details)
        self._context.group.create_task(self._audit(audit_event), name=f"audit {event}")

    async def _audit(self, event: AuditEvent) -> None:
        try:
            await self._store.write_event(event)
        except Exception as error:  # noqa: BLE001, the audit log is in trouble: the agent's log reports it
            log.error("audit.write_failed", extra={"of": event.event, "error": str(error)})  # noqa: TRY400
