"""Monitors the services that are named in [services] (G-05, X-24)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping

from warren.commands.effects.effect import EffectError
from warren.commands.settings import ServiceSettings
from warren.telemetry.conditions import Condition

log = logging.getLogger(__name__)

GetStates = Callable[[tuple[str, ...]], Awaitable[Mapping[str, str]]]
"""Returns the states of units. Raises EffectError, OSError."""


class ServiceMonitor:
    """Reports a service that is not running as a condition until it is."""

    def __init__(self, services: ServiceSettings, interval_seconds: float, get_states: GetStates) -> None:
        self._units = {name: services.units[name] for name in services.watched}
        self._interval = interval_seconds
        self._get_states = get_states
        self._down: Mapping[str, str] = {}

    async def watch(self) -> None:
        """Poll until cancelled."""
        while self._units:
            await self._poll()
            await asyncio.sleep(self._interval)

    def conditions(self) -> Iterator[Condition]:
        """Yield a condition for each service that is not running."""
        for name, state in self._down.items():
            yield Condition("service.down", f"{name} ({self._units[name]}) is {state}")

    async def _poll(self) -> None:
        try:
            states = await self._get_states(tuple(self._units.values()))
        except (EffectError, OSError) as error:
            states = dict.fromkeys(self._units.values(), f"unknown: {error}")
        down = {name: state for name, unit in self._units.items() if (state := states.get(unit, "unknown")) != "active"}
        if down != self._down:
            log.info("services.changed", extra={"down": down})
        self._down = down
