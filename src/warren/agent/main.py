"""The daemon: reads the configuration, puts the parts together, and runs them until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from warren._core import Netlink, __version__
from warren.agent.config import AgentConfig
from warren.agent.io.agent_context import AgentContext
from warren.agent.io.api import AgentApi
from warren.agent.io.command_opening import import_command_service, open_commands
from warren.agent.io.config_file import key_owners, read_config
from warren.agent.io.instance_lock import instance_lock
from warren.agent.io.key_memory import check_key_memory
from warren.agent.io.local_http import open_http
from warren.agent.io.name_servers import NameServers
from warren.agent.io.network_context import NetworkContext
from warren.agent.io.networks import AgentNetworks, Loaded
from warren.agent.io.probes import Probes
from warren.agent.io.sd_notify import SdNotify
from warren.config.defaults import Defaults
from warren.config.overrides import Override
from warren.errors import WarrenError
from warren.files.unix_listener import Listener, activation_fd, from_activation, listen
from warren.files.unix_socket import find_group
from warren.http.io import server
from warren.localapi.io import socket
from warren.privsep.io.helper_client import HelperClient, connect_helper
from warren.privsep.io.privileged_ops import PrivilegedOps, config_opener
from warren.privsep.io.privileges import (
    Service,
    chown_socket,
    drop_privileges,
    drop_privileges_or_fork_helper,
    find_service,
    is_root,
    journal_of,
    owns,
    resolve_socket_link,
)
from warren.telemetry.io.logging import set_level, start_logging
from warren.telemetry.levels import Level
from warren.tunnel.io.conffile import Opener, open_file
from warren.tunnel.io.link_owner import home_of
from warren.tunnel.io.orphans import remove_orphans
from warren.tunnel.io.policy import sweep

ROOT_ALONE = frozenset((0,))
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    config: Path
    defaults: Defaults
    above: Sequence[Override] = ()
    gained: bool = False
    """Whether this process has more rights than who called it: then only the word of root and the service's user counts
    (H-76)."""


def run(options: Options) -> None:
    """Until SIGTERM or SIGINT. Raises WarrenError if it cannot start; then nothing is left of it."""
    start_logging(Level.INFO)
    helper = _find_helper(options)
    config = _load(options, open_file if helper is None else config_opener(helper))
    set_level(Level(config.daemon.log_level))
    service = find_service(config.daemon.user, config.daemon.group)
    rights = drop_privileges_or_fork_helper(service, config, options.defaults, helper)
    import_command_service(config.commands)
    state = instance_lock(journal_of(config), f"which serves {config.daemon.socket}")
    with closing(rights), state, _listen(config, service, rights) as listener:
        check_key_memory(required=config.daemon.require_mlock)
        try:
            asyncio.run(_serve(options, config, listener, rights))
        except BaseExceptionGroup as group:
            raise _first_of(group) from group


def _find_helper(options: Options) -> HelperClient | None:
    """The one that is a unit of its own. It keeps to the configuration of the program's own place, and to no other."""
    if is_root() or options.config != Path(options.defaults.config):
        return None
    return connect_helper(Path(options.defaults.helper_socket))


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the tasks."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _listen(config: AgentConfig, service: Service, rights: PrivilegedOps) -> Listener:
    """As the service, which this process is from then on. Raises HostError.

    A socket that the service manager listens on is taken over as it is (H-25).
    """
    if (descriptor := activation_fd()) is not None:
        drop_privileges(service)
        return from_activation(descriptor)
    path, gid = resolve_socket_link(Path(config.daemon.socket)), find_group(config.daemon.group).gid
    if owned := owns(service, path.parent):
        drop_privileges(service)
    with ExitStack() as undo:
        listener = undo.enter_context(listen(path, gid, rights.remove_socket))
        if not owned:
            chown_socket(path, service)
            drop_privileges(service)
        undo.pop_all()
        return listener


def _load(options: Options, opener: Opener) -> AgentConfig:
    owners = (key_owners(options.defaults.user) or ROOT_ALONE) if options.gained else None
    config = read_config(options.config, options.defaults, options.above, opener, owners)
    for warning in config.warnings:
        log.warning("config.warning", extra={"finding": f"{config.source}: {warning}"})
    return config


async def _serve(options: Options, config: AgentConfig, listener: Listener, rights: PrivilegedOps) -> None:
    supervisor, told_to_stop, hangup = SdNotify(), asyncio.Event(), asyncio.Event()
    _follow_signals(told_to_stop, hangup)
    # asyncio would import it when it is first needed, and by then this process may not be able to read it.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="work"))
    async with asyncio.TaskGroup() as group, AsyncExitStack() as ends:
        host = _host(config, rights, group)
        await _recover(host, {network.interface for network in config.networks if network.enabled})
        networks = AgentNetworks(config.networks, lambda: _load_again(options, config, rights.open_config), host)
        local = open_http(config.http, find_group(config.daemon.group).gid)
        commands = await open_commands(config.commands, AgentContext(rights, group, networks), ends)
        answers = AgentApi(config, networks, rights, local, host.probes.prober, commands)
        pages = answers.pages()
        work = {
            "control": socket.serve(listener, answers.handler(options.defaults, told_to_stop.set)),
            "probes": host.probes.prober.run(),
            "hangup": _reload_on_hangup(hangup, networks, supervisor),
            "watchdog": _keep_watchdog(supervisor),
            "rights": rights.watch(),
            **{f"http {door.name}": server.serve(door, pages) for door in local.doors},
        }
        tasks = [group.create_task(each, name=name) for name, each in work.items()]
        networks.start()
        log.info("agent.ready", extra={"version": __version__, "pid": os.getpid(), "config": config.source})
        supervisor.ready(f"{len(config.networks)} networks")
        try:
            await told_to_stop.wait()
        finally:  # also when a task has failed: the host gets back what it had
            log.info("agent.stopping")
            supervisor.stopping()
            await networks.close()
        for task in tasks:
            task.cancel()


def _follow_signals(told_to_stop: asyncio.Event, hangup: asyncio.Event) -> None:
    """From the first moment: a signal that comes early is not lost, and does not kill."""
    if sys.platform != "win32":
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told_to_stop.set)
        loop.add_signal_handler(signal.SIGHUP, hangup.set)


async def _recover(host: NetworkContext, wanted: Collection[str]) -> None:
    """Takes away what an agent that was killed has left: name servers, links that are none of `wanted`, and rules."""
    await host.name_servers.recover()
    try:
        for name in await asyncio.to_thread(remove_orphans, host.agent_id, host.netlink, wanted):
            log.info("link.removed", extra={"interface": name, "reason": "an agent that was killed left it"})
        await asyncio.to_thread(sweep, host.netlink)
    except WarrenError as error:
        log.warning("links.not_recovered", extra={"error": str(error)})


def _host(config: AgentConfig, rights: PrivilegedOps, group: asyncio.TaskGroup) -> NetworkContext:
    probes = Probes(config.metrics.probe_interval_seconds)
    home = home_of(Path(config.daemon.state))
    return NetworkContext(Netlink.open(), probes, NameServers(rights.resolver), rights, group, home)


def _load_again(options: Options, running: AgentConfig, opener: Opener) -> Loaded:
    config = _load(options, opener)
    set_level(Level(config.daemon.log_level))
    waiting = tuple(_changed_for_later(running, config))
    if waiting:
        log.warning("config.restart_required", extra={"tables": waiting})
    return Loaded(config.networks, waiting)


def _changed_for_later(running: AgentConfig, config: AgentConfig) -> Iterator[str]:
    """Tables that only a start reads; of [daemon] the log level counts at once."""
    if replace(config.daemon, log_level=running.daemon.log_level) != running.daemon:
        yield "[daemon]"
    if config.http != running.http:
        yield "[http]"
    if config.metrics != running.metrics:
        yield "[metrics]"
    if config.commands != running.commands:
        yield "the tables of signed commands"


async def _reload_on_hangup(hangup: asyncio.Event, networks: AgentNetworks, supervisor: SdNotify) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        supervisor.reloading()
        try:
            await networks.reload()
        except WarrenError as error:
            log.error("config.refused", extra={"code": error.code, "error": str(error)})  # noqa: TRY400, no traceback
            supervisor.ready("the configuration was refused")
        else:
            supervisor.ready("reloaded")


async def _keep_watchdog(supervisor: SdNotify) -> None:
    while supervisor.watchdog_seconds is not None:
        supervisor.alive()
        await asyncio.sleep(supervisor.watchdog_seconds)
