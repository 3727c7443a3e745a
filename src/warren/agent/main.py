"""The daemon: reads the configuration, puts the parts together, and runs them until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from warren._core import Netlink, __version__
from warren.agent.config import AgentConfig
from warren.agent.defaults import Defaults
from warren.agent.io.configfile import read_config
from warren.agent.io.localhttp import LocalHttp, addresses_of, open_http
from warren.agent.io.names import Names
from warren.agent.io.nameservers import NameServers
from warren.agent.io.network import Host
from warren.agent.io.networks import AgentNetworks
from warren.agent.io.privileges import Service, find_service, give_up, hand_over, owns, separate
from warren.agent.io.probes import Probes
from warren.agent.io.rights import Rights
from warren.agent.io.supervisor import Supervisor
from warren.agent.jsonconfig import network_from_json
from warren.agent.overrides import Override
from warren.clock import wall_seconds
from warren.errors import WarrenError
from warren.localapi.handler import Handler
from warren.localapi.io import http, socket
from warren.localapi.io.listener import Listener, listen
from warren.localapi.io.unix import find_group
from warren.localapi.pages import Pages
from warren.localapi.permissions import ADMIN_GROUP, Permissions
from warren.telemetry.health import Condition, Severity
from warren.telemetry.io.echo import Prober
from warren.telemetry.io.logging import set_level, start_logging
from warren.telemetry.levels import Level
from warren.tunnel.io.conffile import Opener, open_file
from warren.tunnel.network import NetworkConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    config: Path
    defaults: Defaults
    above: Sequence[Override] = ()


def run(options: Options) -> None:
    """Until SIGTERM or SIGINT. Raises WarrenError if it cannot start; then nothing is left of it."""
    start_logging(Level.INFO)
    config = _load(options, open_file)
    set_level(Level(config.daemon.log_level))
    service = find_service(config.daemon.user, config.daemon.group)
    rights = separate(service, config, options.defaults)
    with closing(rights), _listen(config, service, rights) as listener:
        asyncio.run(_serve(options, config, listener, rights))


def _listen(config: AgentConfig, service: Service, rights: Rights) -> Listener:
    """As the service, which this process is from then on. Raises HostError."""
    path, gid = Path(config.daemon.socket), find_group(config.daemon.group).gid
    if owned := owns(service, path.parent):
        give_up(service)
    with ExitStack() as undo:
        listener = undo.enter_context(listen(path, gid, rights.remove_socket))
        if not owned:
            hand_over(path, service)
            give_up(service)
        undo.pop_all()
        return listener


def _load(options: Options, opener: Opener) -> AgentConfig:
    config = read_config(options.config, options.defaults, options.above, opener)
    for warning in config.warnings:
        log.warning("config.warning", extra={"finding": f"{config.source}: {warning}"})
    return config


async def _serve(options: Options, config: AgentConfig, listener: Listener, rights: Rights) -> None:
    supervisor, told_to_stop = Supervisor(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    async with asyncio.TaskGroup() as group:
        host = _host(config, rights, group)
        await host.name_servers.recover()
        networks = AgentNetworks(config.networks, lambda: _load_again(options, config, rights.open_config), host)
        local = open_http(config.http, find_group(config.daemon.group).gid)
        handler = _handler(options, config, networks, told_to_stop.set)
        pages = _pages(config, networks, local, lambda: _conditions(local, host.probes.prober, rights))
        work = {
            "control": socket.serve(listener, handler),
            "probes": host.probes.prober.run(),
            "hangup": _reload_on_hangup(networks, supervisor),
            "watchdog": _keep_watchdog(supervisor),
            "rights": rights.watch(),
            **{f"http {door.name}": http.serve(door, pages) for door in local.doors},
        }
        tasks = [group.create_task(each, name=name) for name, each in work.items()]
        networks.start()
        log.info("agent.ready", extra={"version": __version__, "pid": os.getpid(), "config": config.source})
        supervisor.ready(f"{len(config.networks)} networks")
        await told_to_stop.wait()
        log.info("agent.stopping")
        supervisor.stopping()
        await networks.close()
        host.names.close()
        for task in tasks:
            task.cancel()


def _host(config: AgentConfig, rights: Rights, group: asyncio.TaskGroup) -> Host:
    probes = Probes(config.metrics.probe_interval_seconds)
    return Host(Netlink.open(), Names(), probes, NameServers(rights.resolver), rights, group)


def _load_again(options: Options, running: AgentConfig, opener: Opener) -> Sequence[NetworkConfig]:
    config = _load(options, opener)
    set_level(Level(config.daemon.log_level))
    if (config.daemon, config.http, config.metrics) != (running.daemon, running.http, running.metrics):
        log.warning("config.restart", extra={"finding": "[daemon], [http] and [metrics] count at the next start"})
    return config.networks


def _handler(options: Options, config: AgentConfig, networks: AgentNetworks, stop: Callable[[], None]) -> Handler:
    users = find_group(config.daemon.group)
    return Handler(
        networks,
        lambda name, given: network_from_json(name, given, options.defaults.root),
        lambda: _info(config),
        permissions=Permissions(
            read=users,
            # The group of document 000 may do all; ours keeps looking and changing apart.
            admin=users if options.defaults.program != "warren" else find_group(ADMIN_GROUP),
            owner=os.geteuid() or None,
        ),
        key_directories=config.daemon.key_directories,
        stop=stop,
    )


def _pages(
    config: AgentConfig, networks: AgentNetworks, http: LocalHttp, conditions: Callable[[], Iterable[Condition]]
) -> Pages:
    return Pages(
        networks,
        now=wall_seconds,
        version=__version__,
        access=http.access,
        aliases=config.metrics.aliases,
        conditions=conditions,
        settings=lambda: _info(config),
    )


def _conditions(http: LocalHttp, prober: Prober, rights: Rights) -> Iterator[Condition]:
    yield from http.conditions
    yield from rights.conditions()
    if prober.unavailable is not None:
        yield Condition("echo.unavailable", prober.unavailable, Severity.INFO)


def _info(config: AgentConfig) -> Mapping[str, object]:
    return {
        "version": __version__,
        "pid": os.getpid(),
        "config": config.source,
        "socket": config.daemon.socket,
        "http": [str(address) for address in addresses_of(config.http)] if config.http.enabled else [],
    }


async def _reload_on_hangup(networks: AgentNetworks, supervisor: Supervisor) -> None:
    hangup = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    while True:
        await hangup.wait()
        hangup.clear()
        supervisor.reloading()
        try:
            await networks.reload()
        except WarrenError as error:
            log.error("config.refused", extra={"code": error.code, "error": str(error)})  # noqa: TRY400, no traceback
        supervisor.ready("reloaded")


async def _keep_watchdog(supervisor: Supervisor) -> None:
    while supervisor.watchdog_seconds is not None:
        supervisor.alive()
        await asyncio.sleep(supervisor.watchdog_seconds)
