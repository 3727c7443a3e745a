"""Questions for the addresses of a network's endpoints, each a task that ends with the network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from warren.agent.io.name_servers import NameServers
from warren.agent.network_state import NetworkState
from warren.clock import monotonic_seconds
from warren.errors import WarrenError
from warren.tunnel.endpoint_dns import UpstreamServers, upstream_servers_of
from warren.tunnel.io.resolver import resolve_soon
from warren.tunnel.reconcile_state import ReconcileState
from warren.tunnel.resolution import Question

log = logging.getLogger(__name__)


class EndpointResolver:
    """Those of one network, from its connection to its end; `answered` is called after each."""

    def __init__(
        self,
        upkeep: ReconcileState,
        record: NetworkState,
        name_servers: NameServers,
        group: asyncio.TaskGroup,
        answered: Callable[[], None],
    ) -> None:
        self._upkeep = upkeep
        self._record = record
        self._name_servers = name_servers
        self._group = group
        self._answered = answered
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, question: Question) -> None:
        """Begins to; the answer goes to the network's `resolution`."""
        task = self._group.create_task(self._ask(question), name=f"resolve {question.endpoint.host}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Nobody waits for an answer any more."""
        for task in self._tasks:
            task.cancel()

    async def _ask(self, question: Question) -> None:
        try:
            address = await resolve_soon(question.endpoint, await self._outside())
        except WarrenError as error:
            log.warning("endpoint.unresolved", extra={"network": self._record.network, "error": str(error)})
            self._upkeep.resolution.failed(question, str(error))
        else:
            self._upkeep.resolution.answered(question, address, monotonic_seconds())
        self._answered()

    async def _outside(self) -> UpstreamServers | None:
        """Whom to ask, so that no name is asked for through the network that it is for."""
        servers = await self._name_servers.of_host()
        network, status = self._upkeep.network, self._record.status
        return upstream_servers_of(network, servers, network.fwmark if status is None else status.fwmark)
