"""Lookups of a network's endpoint names, each a task that ends with the network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from warren.agent.io.network_context import NetworkContext
from warren.agent.network_state import NetworkState
from warren.clock import monotonic_seconds
from warren.config.parsers import IPAddress
from warren.errors import WarrenError
from warren.tunnel.endpoint_dns import UpstreamServers, upstream_servers_of
from warren.tunnel.io.endpoint_route import leads_into
from warren.tunnel.io.resolver import resolve_soon
from warren.tunnel.reconcile_state import ReconcileState
from warren.tunnel.resolution import Question

MAX_LOOKUPS = 64  # at once, of one network: each has a thread and a socket

log = logging.getLogger(__name__)


class EndpointResolver:
    """The lookups of one network, from its connection to its end."""

    def __init__(
        self,
        decisions: ReconcileState,
        state: NetworkState,
        context: NetworkContext,
        on_answer: Callable[[], None],
    ) -> None:
        """Begin without a lookup; `on_answer` is called after each, also if it failed."""
        self._decisions = decisions
        self._state = state
        self._context = context
        self._on_answer = on_answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_LOOKUPS)

    def ask(self, question: Question) -> None:
        """Start a lookup; the answer goes to the network's `resolution`."""
        task = self._context.tasks.create_task(self._resolve(question), name=f"resolve {question.endpoint.host}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Cancel all lookups."""
        for task in self._tasks:
            task.cancel()

    async def _resolve(self, question: Question) -> None:
        try:
            async with self._slots:
                addresses = await resolve_soon(question.endpoint, await self._upstream_servers())
        except WarrenError as error:
            log.warning("endpoint.unresolved", extra={"network": self._state.network, "error": str(error)})
            self._decisions.resolution.failed(question, str(error))
        else:
            self._decisions.resolution.answered(question, addresses, monotonic_seconds())
        self._on_answer()

    async def _upstream_servers(self) -> UpstreamServers | None:
        """Return the name servers to ask, so that no lookup goes through the tunnel whose endpoint it is for."""
        servers = await self._context.name_servers.of_host()
        network, status = self._decisions.network, self._state.status
        mark = network.fwmark if status is None else status.fwmark
        inside = await asyncio.to_thread(self._led_inside, servers, mark)
        return upstream_servers_of(network, servers, mark, inside)

    def _led_inside(self, servers: Sequence[IPAddress], mark: int) -> frozenset[IPAddress]:
        interface = self._decisions.network.interface
        return frozenset(server for server in servers if leads_into(interface, server, mark, self._context.netlink))
