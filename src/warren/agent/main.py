"""Run the agent daemon: load the configuration, build the subsystems, run them until it is stopped, close them.

1. Privileges are dropped before the event loop starts; what needs root afterwards goes through the helper.
2. Each subsystem is one task of one TaskGroup. Cancellation stops it; an exception in it ends the agent.
3. Networks close first, so that the host gets its routes and DNS settings back even if something else fails.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from warren._core import Netlink, __version__
from warren.agent.config import AgentConfig
from warren.agent.io.api import AgentApi
from warren.agent.io.commands.context import AgentContext
from warren.agent.io.commands.subsystem import import_command_service, open_commands
from warren.agent.io.config_file import key_owners, read_config
from warren.agent.io.exit_nodes import ExitNodes
from warren.agent.io.host_monitor import HostWatcher
from warren.agent.io.key_memory import check_key_memory, key_memory_subsystem
from warren.agent.io.local_http import open_http
from warren.agent.io.name_servers import NameServers
from warren.agent.io.network_context import NetworkContext
from warren.agent.io.network_subsystem import network_subsystem
from warren.agent.io.networks import AgentNetworks, Loaded
from warren.agent.io.probes import Probes
from warren.agent.io.sd_notify import SdNotify
from warren.agent.subsystem import Subsystem
from warren.commands.exec_switch import ExecSwitch
from warren.config.defaults import Defaults
from warren.config.overrides import Override
from warren.errors import WarrenError
from warren.files.unix_socket import find_group
from warren.privsep.io.capabilities import may_administer_network
from warren.privsep.io.privileged_ops import PrivilegedOps
from warren.privsep.io.separation import Separated, separate_privileges
from warren.telemetry.io.logging import set_level, start_logging
from warren.telemetry.levels import Level
from warren.tunnel.io.conffile import Opener
from warren.tunnel.io.link_owner import agent_id_of, remove_orphans
from warren.tunnel.io.policy import remove_stale_policy

ROOT_ONLY = frozenset((0,))
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """Hold what the command line sets."""

    config: Path
    defaults: Defaults
    overrides: Sequence[Override] = ()
    has_file_capabilities: bool = False
    """True if this process has more privileges than its caller: then only files of root and of the service's user are
    trusted (H-76)."""


def run(options: Options) -> None:
    """Run the agent until SIGTERM or SIGINT. Raises WarrenError if it cannot start; then nothing of it is left."""
    start_logging(Level.INFO)
    separation = separate_privileges(
        options.config,
        options.defaults,
        lambda opener: _load_first(options, opener),
        lambda config: import_command_service(config.commands),
    )
    with separation as separated:
        check_key_memory(required=separated.config.daemon.require_mlock)
        try:
            asyncio.run(_serve(options, separated))
        except BaseExceptionGroup as group:
            raise _first_error(group) from group


def _first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that ended the tasks."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _load_first(options: Options, opener: Opener) -> AgentConfig:
    config = _load(options, opener)
    set_level(Level(config.daemon.log_level))
    return config


async def _serve(options: Options, separated: Separated[AgentConfig]) -> None:
    """Build the subsystems, run each in a task of its own until the agent is stopped, and close them."""
    config, privileged = separated.config, separated.privileged
    service_manager, stop, hangup = SdNotify(), asyncio.Event(), asyncio.Event()
    _install_signal_handlers(stop, hangup)
    # asyncio would import its executor when it is first needed, and by then this process may be unable to read it.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="work"))
    async with asyncio.TaskGroup() as group, AsyncExitStack() as resources:
        host = _open_host(config, privileged, group)
        await _recover(host, {network.interface for network in config.networks if network.enabled})
        switch = ExecSwitch(config.commands.security.exec_enable)
        networks = AgentNetworks(
            config.networks, lambda: _reload(options, config, privileged.open_config, switch), host
        )
        http = open_http(config.http, find_group(config.daemon.group).gid)
        subsystems = (
            network_subsystem(networks, config.daemon.key_directories, options.defaults, hangup, service_manager),
            await open_commands(config.commands, AgentContext(privileged, group, networks, switch), resources),
            http.subsystem(),
            host.probes.subsystem(),
            *([HostWatcher(networks.on_host_changes).subsystem()] if may_administer_network() else ()),
            Subsystem("privileges", privileged.watch, privileged.conditions),
            key_memory_subsystem(),
            service_manager.subsystem(),
        )
        api = AgentApi(config, networks, http, subsystems)
        servers = api.servers(separated.listener, options.defaults, stop.set, has_helper=privileged.helper is not None)
        tasks = [group.create_task(subsystem.run(), name=subsystem.name) for subsystem in (*subsystems, *servers)]
        networks.start()
        log.info("agent.ready", extra={"version": __version__, "pid": os.getpid(), "config": config.source})
        service_manager.ready(f"{len(config.networks)} networks")
        try:
            await stop.wait()
        finally:  # also when a task has failed: interfaces, routes and DNS settings are removed
            log.info("agent.stopping")
            service_manager.stopping()
            await networks.close()
        await resources.aclose()  # commands end while the tasks that they depend on still run
        for task in tasks:
            task.cancel()


def _install_signal_handlers(stop: asyncio.Event, hangup: asyncio.Event) -> None:
    """Handle signals before anything else is built: one that comes early is neither lost nor fatal."""
    if sys.platform != "win32":
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, hangup.set)


def _open_host(config: AgentConfig, privileged: PrivilegedOps, group: asyncio.TaskGroup) -> NetworkContext:
    probes = Probes(config.metrics.probe_interval_seconds)
    agent_id = agent_id_of(Path(config.daemon.state))
    netlink, name_servers = Netlink.open(), NameServers(privileged.resolver)
    exit_nodes = ExitNodes(privileged.exits, netlink, group)
    return NetworkContext(netlink, probes, name_servers, exit_nodes, privileged, group, agent_id)


async def _recover(host: NetworkContext, wanted: Collection[str]) -> None:
    """Remove what an agent that was killed has left: exit nodes, DNS settings, other links than `wanted`, rules."""
    await host.exit_nodes.recover()
    await host.name_servers.recover()
    if not may_administer_network():
        return
    try:
        for name in await asyncio.to_thread(remove_orphans, host.agent_id, host.netlink, wanted):
            log.info("link.removed", extra={"interface": name, "reason": "left by an agent that was killed"})
        await asyncio.to_thread(remove_stale_policy, host.netlink)
    except WarrenError as error:
        log.warning("links.recovery_failed", extra={"error": str(error)})


def _load(options: Options, opener: Opener) -> AgentConfig:
    """Read the configuration and log its warnings. Raises WarrenError."""
    owners = (key_owners(options.defaults.user) or ROOT_ONLY) if options.has_file_capabilities else None
    config = read_config(options.config, options.defaults, options.overrides, opener, owners)
    for warning in config.warnings:
        log.warning("config.warning", extra={"finding": f"{config.source}: {warning}"})
    return config


def _reload(options: Options, running: AgentConfig, opener: Opener, switch: ExecSwitch) -> Loaded:
    """Read the configuration again; its log level and `exec_enable` apply once it is accepted. Raises WarrenError."""
    config = _load(options, opener)
    pending = tuple(_tables_for_restart(running, config))

    def on_accepted() -> None:
        set_level(Level(config.daemon.log_level))
        switch.reload(config.commands.security.exec_enable)
        if pending:
            log.warning("config.restart_required", extra={"tables": pending})

    return Loaded(config.networks, config.source, pending, config.explicitly_disabled(), on_accepted)


def _tables_for_restart(running: AgentConfig, config: AgentConfig) -> Iterator[str]:
    """Yield the tables that changed and are read only at a start; in [daemon] the log level takes effect at once."""
    if replace(config.daemon, log_level=running.daemon.log_level) != running.daemon:
        yield "[daemon]"
    if config.http != running.http:
        yield "[http]"
    if config.metrics != running.metrics:
        yield "[metrics]"
    if config.commands != running.commands:
        yield "the tables of signed commands"
