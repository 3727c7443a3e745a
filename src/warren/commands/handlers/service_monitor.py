"""Looks whether the services run that the owner has named in [services] (G-05, X-24)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping

from warren.commands.effects.effect import EffectError
from warren.commands.settings import ServiceSettings
from warren.telemetry.conditions import Condition

log = logging.getLogger(__name__)

Ask = Callable[[tuple[str, ...]], Awaitable[Mapping[str, str]]]
"""The states of units. Raises EffectError, OSError."""


class ServiceWatch:
    """One that does not run is a condition until it does."""

    def __init__(self, services: ServiceSettings, interval_seconds: float, ask: Ask) -> None:
        self._units = {name: services.units[name] for name in services.watched}
        self._interval = interval_seconds
        self._ask = ask
        self._down: Mapping[str, str] = {}

    async def watch(self) -> None:
        """Until cancelled."""
        while self._units:
            await self._look()
            await asyncio.sleep(self._interval)

    def conditions(self) -> Iterator[Condition]:
        """One for each that does not run."""
        for name, state in self._down.items():
            yield Condition("service.down", f"{name} ({self._units[name]}) is {state}")

    async def _look(self) -> None:
        try:
            states = await self._ask(tuple(self._units.values()))
        except (EffectError, OSError) as error:
            states = dict.fromkeys(self._units.values(), f"not known: {error}")
        down = {name: state for name, unit in self._units.items() if (state := states.get(unit, "unknown")) != "active"}
        if down != self._down:
            log.info("services.changed", extra={"down": down})
        self._down = down
