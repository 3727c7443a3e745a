"""The state of the host: metrics, services, and both at once (G-38, G-39, V-54, V-55)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.commands.effects.agent import GetAgentState, ListRecentCommands
from warren.commands.effects.effect import EffectError, Effects, do
from warren.commands.effects.host import GetServiceStates, HostReading, ReadHostMetrics
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.result import CommandError
from warren.commands.schema import Schema
from warren.commands.verb import Data, Verb, VerbContext

BUSY_PERCENT = 90.0  # of memory or of the root file system: the next operation may fail
RECENT = 20  # commands in the answer

SERVICE_STATES = {"active": "running", "inactive": "stopped", "failed": "failed", "unknown": "unknown"}
"""The names of service states in the ViWorkS gateway agent, by those in ViWorkS outbound (X-10)."""


def system_health(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
    """Show host metrics: `{health, system}` as in the status of the ViWorkS gateway agent."""
    reading = yield from do(ReadHostMetrics())
    return _health(reading)


def service_status(_: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Show service states: `{services}` with the names of the ViWorkS gateway agent."""
    states = yield from _services(context)
    return {"services": {name: SERVICE_STATES[state] for name, state in states.items()}}


def monitoring_data(_: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Show the telemetry of ViWorkS outbound with more; unknown values are null, with the reason in `unavailable`."""
    reading = yield from do(ReadHostMetrics())
    services = yield from _services(context)
    agent = yield from do(GetAgentState())
    recent = yield from do(ListRecentCommands(RECENT))
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


def _services(context: VerbContext) -> Effects[Mapping[str, str]]:
    """Return the state of each service, by its name in the configuration."""
    units: Mapping[str, str] = context.settings.services.units
    states = yield from do(GetServiceStates(tuple(units.values())))
    return {name: states.get(unit, "unknown") for name, unit in units.items()}


def _health(reading: HostReading) -> dict[str, object]:
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


def _telemetry(reading: HostReading, services: Mapping[str, str]) -> dict[str, object]:
    return {
        "uptime_s": reading.uptime_seconds,
        "cpu_pct": reading.host_cpu_percent,
        "mem": {"total_mb": reading.host_memory_total_mb, "used_mb": reading.host_memory_used_mb},
        "loadavg": [*reading.load_average],
        "disk": [{"mount": mount, "used_pct": used} for mount, used in reading.disks.items()],
        "services": dict(services),
    }


VERBS = (
    Verb("get_system_health", "show host metrics", (Schema(),), read_only=True, run=system_health),
    Verb("get_service_status", "show the state of services", (Schema(),), read_only=True, run=service_status),
)
