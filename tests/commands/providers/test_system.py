"""The verbs about the host: without one, and with this one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.commands.commands import command, settings
from tests.commands.playbook import Playbook
from warren.audit.event import Origin
from warren.commands.effects.agent import GetAgentState, ListRecentCommands
from warren.commands.effects.host import GetServiceStates, HostReading, ReadHostMetrics
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.handlers import host
from warren.commands.handlers.host import HostMetrics
from warren.commands.handlers.resources import AgentQueries, Resources
from warren.commands.pipeline.executor import Executor
from warren.commands.providers.system import RECENT, VERBS, monitoring_data, service_status, system_health
from warren.commands.result import Result
from warren.commands.store.command_store import CommandStore
from warren.commands.verb import VerbContext

OCCASION = VerbContext("gateway-001", "c-1", "ada", settings())
NO_STORE = CommandStore(Path("/nowhere"), Origin("node-1"))
READING = HostReading(3600, 25.0, 0.5, 15.2, 45.8, 2048, 512, (1.2, 1.1, 0.9), {"/": 23.1, "/srv": 95.0})
UNITS = ("fwknop-server", "stunnel4", "openvpn", "nginx")


@pytest.mark.unit
def test_health_has_the_members_of_the_viworks_gateway_agent() -> None:
    play = Playbook(system_health({}, OCCASION)).expect(ReadHostMetrics()).reply(READING)
    assert play.returned == {
        "health": {"status": "healthy", "uptime_seconds": 3600, "memory_usage_mb": 25.0, "cpu_usage_percent": 0.5},
        "system": {
            "cpu_percent": 15.2,
            "memory_percent": 45.8,
            "disk_usage_percent": 23.1,
            "load_average": [1.2, 1.1, 0.9],
        },
    }


@pytest.mark.unit
def test_service_states_have_documented_names() -> None:
    play = Playbook(service_status({}, OCCASION)).expect(GetServiceStates(UNITS))
    play.reply({"fwknop-server": "unknown", "stunnel4": "failed", "openvpn": "active", "nginx": "inactive"})
    assert play.returned == {
        "services": {"spa": "unknown", "tls_proxy": "failed", "openvpn": "running", "nginx": "stopped"}
    }


@pytest.mark.unit
def test_unavailable_data_has_its_reason() -> None:
    play = Playbook(monitoring_data({}, OCCASION)).expect(ReadHostMetrics()).reply(READING)
    play.expect(GetServiceStates(UNITS)).reply(dict.fromkeys(UNITS, "active"))
    play.expect(GetAgentState()).reply({"networks": []})
    play.expect(ListRecentCommands(RECENT)).reply(({"verb": "list_users"},))
    play.expect(RunPrivileged()).fail("no privileged runner")
    found = play.returned
    assert found["unavailable"] == {"privileged": "no privileged runner"}
    assert found["recent_commands"] == [{"verb": "list_users"}]
    assert isinstance(found["telemetry"], dict)
    assert found["telemetry"]["services"] == dict.fromkeys(("spa", "tls_proxy", "openvpn", "nginx"), "active")
    assert found["telemetry"]["disk"] == [{"mount": "/", "used_pct": 23.1}, {"mount": "/srv", "used_pct": 95.0}]


@pytest.mark.integration
def test_metrics_and_services_of_this_host() -> None:
    async def ask() -> tuple[Result, Result]:
        queries = AgentQueries(HostMetrics(30), dict, lambda _: ())
        handlers = host.handlers(Resources(settings(), NO_STORE, lambda *_: None, queries))
        executor = Executor("node-1", settings(), handlers, lambda *_: b"", lambda _: None)
        health, services = VERBS[0], VERBS[1]
        return (
            await executor.run(command("get_system_health"), health, health.run),
            await executor.run(command("get_service_status"), services, services.run),
        )

    health, services = asyncio.run(ask())
    system, own = health.data["system"], health.data["health"]
    assert isinstance(system, dict)
    assert isinstance(own, dict)
    assert 0 < system["memory_percent"] < 100
    assert 0 <= system["disk_usage_percent"] <= 100
    assert own["memory_usage_mb"] > 1
    assert set(services.data["services"]) == {"spa", "tls_proxy", "openvpn", "nginx"}  # type: ignore[call-overload]


@pytest.mark.integration
def test_a_service_without_systemd_is_a_process_of_its_name() -> None:
    state = HostMetrics(30)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = psutil.Process(process.pid).name()
    try:
        assert state._states_by_process((f"{name}.service", "nowhere@main")) == {
            f"{name}.service": "active",
            "nowhere@main": "inactive",
        }
    finally:
        process.communicate(b"\n")


@pytest.mark.root
@pytest.mark.needs("unshare")
def test_in_a_namespace_of_processes_whose_proc_is_the_hosts() -> None:
    look = "from warren.commands.handlers.host import HostMetrics; print(HostMetrics(30).read().memory_mb > 1)"
    words = ("unshare", "--pid", "--fork", sys.executable, "-c", look)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.integration
def test_dry_run_of_host_verbs_reads_and_changes_nothing() -> None:
    async def dry_runs() -> list[str]:
        queries = AgentQueries(HostMetrics(30), dict, lambda _: ())
        resources = Resources(settings(), NO_STORE, lambda *_: None, queries)
        executor = Executor("node-1", settings(), host.handlers(resources), lambda *_: b"", lambda _: None)
        return [(await executor.dry_run(command(verb.name), verb, verb.run)).problem for verb in VERBS]

    assert asyncio.run(dry_runs()) == ["", ""]
