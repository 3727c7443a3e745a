"""Effects that measure the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class HostReading:
    """The host and the agent's own process at one moment."""

    uptime_seconds: int
    """The agent's uptime, as memory and CPU below."""
    memory_mb: float
    cpu_percent: float
    host_cpu_percent: float
    host_memory_percent: float
    host_memory_total_mb: int
    host_memory_used_mb: int
    load_average: tuple[float, float, float]
    disks: Mapping[str, float] = field(default_factory=dict)
    """The usage in percent, by mount point."""


@dataclass(frozen=True, slots=True)
class ReadHostMetrics(Effect[HostReading]):
    """Read load, memory and disk usage."""

    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class GetServiceStates(Effect[Mapping[str, str]]):
    """Return each unit's state, `active`, `inactive`, `failed` or `unknown`: from systemd, else from the processes."""

    reads: ClassVar[bool] = True

    units: tuple[str, ...]
