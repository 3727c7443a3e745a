"""Notice at once what other programs change on the host, so that networks are reconciled without waiting for the timer.

The kernel reports changes of links, addresses, routes, rules and nftables tables. An idle host reports nothing. On a
busy one the sockets are read at most every `MIN_INTERVAL`, and reports about other links end in `drain`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator

from warren._core import HostChanges, HostMonitor
from warren.agent.subsystem import Subsystem
from warren.backoff import Backoff, BackoffPolicy
from warren.clock import monotonic_seconds
from warren.errors import HostError, WarrenError
from warren.telemetry.conditions import Condition

MIN_INTERVAL = 0.05  # seconds; one change of a program is many reports, and a router's routes change all the time
REOPEN = BackoffPolicy((1.0, 5.0, 30.0, 60.0))

log = logging.getLogger(__name__)


class HostWatcher:
    """Reads the kernel's reports and passes them on. For one event loop."""

    def __init__(self, on_change: Callable[[HostChanges], None]) -> None:
        self._on_change = on_change
        self._backoff = Backoff(REOPEN, random.random)
        self._condition: Condition | None = None

    def subsystem(self) -> Subsystem:
        """Return the subsystem that watches the host."""
        return Subsystem("host monitor", self.run, self._conditions)

    async def run(self) -> None:
        """Watch until cancelled. Without the sockets, the timer of each network is left."""
        while True:
            try:
                await self._watch(HostMonitor.open())
            except (WarrenError, OSError) as error:
                problem = error if isinstance(error, WarrenError) else HostError(str(error), code="host.refused")
                self._condition = Condition.of_error(problem, "monitor.unavailable")
                log.warning("monitor.failed", extra={"error": str(problem)})
                await asyncio.sleep(self._backoff.fail(problem, monotonic_seconds()))

    async def _watch(self, monitor: HostMonitor) -> None:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        descriptors = monitor.descriptors()
        self._condition = None
        while True:
            for descriptor in descriptors:
                loop.add_reader(descriptor, readable.set)
            try:
                await readable.wait()
            finally:
                for descriptor in descriptors:
                    loop.remove_reader(descriptor)
            readable.clear()
            self._on_change(monitor.drain())
            self._backoff.reset()
            await asyncio.sleep(MIN_INTERVAL)

    def _conditions(self) -> Iterator[Condition]:
        if self._condition is not None:
            yield self._condition
