"""How the host is: its load, its services, and all of it at once (G-38, G-39, V-54, V-55)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.commands.effects.effect import Effect, EffectError, Effects, RunPrivileged, do
from warren.commands.result import CommandError
from warren.commands.schema import Schema
from warren.commands.verbs import Data, Verb, VerbContext

BUSY_PERCENT = 90.0  # of memory or of the root's disk: what comes next may fail
RECENT = 20  # commands that are told of

WORDS_001 = {"active": "running", "inactive": "stopped", "failed": "failed", "unknown": "unknown"}
"""Document 004's words of a service's state, and document 001's (X-10)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The host and the agent's own process at one moment."""

    uptime_seconds: int
    """Of the agent."""
    memory_mb: float
    cpu_percent: float
    """Both of the agent."""
    host_cpu_percent: float
    host_memory_percent: float
    host_memory_total_mb: int
    host_memory_used_mb: int
    load_average: tuple[float, float, float]
    disks: Mapping[str, float] = field(default_factory=dict)
    """By mount point, how full in percent."""


@dataclass(frozen=True, slots=True)
class ReadHost(Effect[Reading]):
    """As it is now."""


@dataclass(frozen=True, slots=True)
class AskServices(Effect[Mapping[str, str]]):
    """By unit its state: active, inactive, failed or unknown; of systemd, or of the processes where it does not run."""

    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskAgent(Effect[Mapping[str, object]]):
    """What the agent knows of itself: networks with their states, its conditions, when its certificates end."""


@dataclass(frozen=True, slots=True)
class RecentCommands(Effect[tuple[Mapping[str, object], ...]]):
    """The last commands, the newest first, without their arguments."""

    count: int


def system_health(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
    """`{health, system}` as document 001's status has them."""
    reading = yield from do(ReadHost())
    return _health(reading)


def service_status(_: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """`{services}` by document 001's names and words."""
    states = yield from _services(occasion)
    return {"services": {name: WORDS_001[state] for name, state in states.items()}}


def monitoring_data(_: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """Document 004's telemetry and what else there is to know; what cannot be known is null, and says why."""
    reading = yield from do(ReadHost())
    services = yield from _services(occasion)
    agent = yield from do(AskAgent())
    recent = yield from do(RecentCommands(RECENT))
    try:
        rest = yield from do(RunPrivileged())
    except (EffectError, CommandError) as error:
        rest = {"unavailable": {"privileged": str(error)}}
    return {
        **_health(reading),
        "telemetry": _telemetry(reading, services),
        **agent,
        "recent_commands": [dict(each) for each in recent],
        **rest,
    }


def _services(occasion: VerbContext) -> Effects[Mapping[str, str]]:
    """By the documents' names."""
    units: Mapping[str, str] = occasion.settings.services.units
    states = yield from do(AskServices(tuple(units.values())))
    return {name: states.get(unit, "unknown") for name, unit in units.items()}


def _health(reading: Reading) -> dict[str, object]:
    disk = reading.disks.get("/", 0.0)
    is_busy = reading.host_memory_percent >= BUSY_PERCENT or disk >= BUSY_PERCENT
    return {
        "health": {
            "status": "degraded" if is_busy else "healthy",
            "uptime_seconds": reading.uptime_seconds,
            "memory_usage_mb": reading.memory_mb,
            "cpu_usage_percent": reading.cpu_percent,
        },
        "system": {
            "cpu_percent": reading.host_cpu_percent,
            "memory_percent": reading.host_memory_percent,
            "disk_usage_percent": disk,
            "load_average": [*reading.load_average],
        },
    }


def _telemetry(reading: Reading, services: Mapping[str, str]) -> dict[str, object]:
    return {
        "uptime_s": reading.uptime_seconds,
        "cpu_pct": reading.host_cpu_percent,
        "mem": {"total_mb": reading.host_memory_total_mb, "used_mb": reading.host_memory_used_mb},
        "loadavg": [*reading.load_average],
        "disk": [{"mount": mount, "used_pct": used} for mount, used in reading.disks.items()],
        "services": dict(services),
    }


VERBS = (
    Verb("get_system_health", "how busy the host is", (Schema(),), read_only=True, run=system_health),
    Verb("get_service_status", "which services run", (Schema(),), read_only=True, run=service_status),
)
