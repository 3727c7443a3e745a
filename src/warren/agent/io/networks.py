"""All networks of the agent: those of the configuration file, and those that clients of the control socket created."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from warren._core import HostChanges
from warren.agent.io.exit_nodes import may_concern_exits
from warren.agent.io.key_ring import read_keys
from warren.agent.io.network import Network
from warren.agent.io.network_context import NetworkContext
from warren.errors import ConfigError, StateError, WarrenError
from warren.localapi.networks import NetworkView, Rotation
from warren.tunnel.backend_rule import backend_rule
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.io.stack_streams import dial_for_client
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig, no_such_network
from warren.tunnel.overlap import clash_findings
from warren.tunnel.removal import removal_findings

log = logging.getLogger(__name__)


MAX_CAPTURE_BYTES, MAX_CAPTURE_SECONDS = 100_000_000, 600.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that was read again."""

    networks: Sequence[NetworkConfig]
    source: str = ""
    """Names the file in errors."""
    tables_for_restart: tuple[str, ...] = ()
    """Tables that changed since the start and take effect at the next one."""
    disabled: Collection[str] = frozenset()
    """Names of networks that the file disables explicitly, which an empty file does not."""
    on_accepted: Callable[[], None] = lambda: None
    """Applies what else takes effect with this configuration; called unless the reload is refused."""


Load = Callable[[], Loaded]


class AgentNetworks:
    """The networks by name; implements `localapi.networks.Networks`."""

    def __init__(self, configs: Sequence[NetworkConfig], load: Load, context: NetworkContext) -> None:
        """Add the networks of the file; `load` reads the configuration again, may block, and raises ConfigError."""
        self._load = load
        self._tables_for_restart: tuple[str, ...] = ()
        self._rejection: WarrenError | None = None
        self._context = context
        self._file_configs = {config.name: config for config in configs}
        self._networks: dict[str, Network] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reloading = asyncio.Lock()
        self._is_closing = False
        for config in configs:
            self._add(config)

    def start(self) -> None:
        """Begin to bring up the networks of the file that are enabled."""
        for network in self._networks.values():
            if network.config.enabled:
                network.connect(network.config)

    def on_host_changes(self, changes: HostChanges) -> None:
        """Let the networks that a change of the host may concern reconcile at once."""
        if may_concern_exits(changes):
            self._context.exit_nodes.on_host_changes()
        for network in self._networks.values():
            network.on_host_changes(changes)

    async def close(self) -> None:
        """Take all networks down, whatever clients request meanwhile, and end their tasks."""
        self._is_closing = True
        networks = [*self._networks.values()]
        results = await asyncio.gather(*(network.remove() for network in networks), return_exceptions=True)
        for network, result in zip(networks, results, strict=True):
            if result is not None:
                fields = {"network": network.config.name, "error": str(result)}
                log.error("network.teardown_failed", extra=fields)
        for task in self._tasks.values():
            task.cancel()

    def views(self) -> Sequence[NetworkView]:
        """Return all networks, in the order in which they became known."""
        return [network.view() for network in self._networks.values()]

    def view(self, network: str) -> NetworkView:
        """Return one network. Raises StateError."""
        return self._find(network).view()

    def tables_for_restart(self) -> Sequence[str]:
        """Return the tables of the file that changed since the start and take effect at the next one."""
        return self._tables_for_restart

    def rejection(self) -> WarrenError | None:
        """Return why the last reload was rejected as a whole, or None if it was accepted."""
        return self._rejection

    async def connect(self, network: str, config: NetworkConfig | None) -> NetworkView:
        """Begin to bring a network up with `config`, or as the file configures it. Raises WarrenError."""
        checked = None
        while checked != (wanted := config or self._file_configs.get(network) or self._find(network).config):
            checked = wanted
            # The caller learns at once of a key that cannot be used. A reload may change the network meanwhile.
            await asyncio.to_thread(read_keys, checked, self._context.privileged.keys)
        self._check_conflicts(wanted)
        connecting = self._networks.get(network) or self._add(wanted)
        self._connect(connecting, wanted)
        return connecting.view()

    async def disconnect(self, network: str) -> NetworkView:
        """Take a network down. Raises WarrenError."""
        disconnecting = self._find(network)
        await disconnecting.disconnect()
        return disconnecting.view()

    async def dial(self, network: str, host: str, port: int) -> int:
        """Return the descriptor of a connection in a network of backend netstack. Raises WarrenError."""
        return (await dial_for_client(self._find(network).stack_device(), host, port)).detach()

    def capture(self, network: str) -> int:
        """Return the descriptor of a capture in a network of backend netstack, as pcapng. Raises WarrenError."""
        return self._find(network).stack_device().capture(MAX_CAPTURE_BYTES, MAX_CAPTURE_SECONDS)

    async def rotate(self, network: str, step: str) -> Rotation:
        """Take one step of a key rotation. Raises WarrenError."""
        return await self._find(network).rotate(step)

    async def reload(self, *, allow_empty: bool = False) -> Sequence[NetworkView]:
        """Read the file again and apply the difference, network by network; networks of clients stay as they are.

        Raises WarrenError with nothing changed if the file or a key is invalid, if a network of the file conflicts with
        one that a client created, or, unless `allow_empty`, if every network or every peer of one would be removed. A
        network that refuses its change stays as it was, the others change, and the first refusal is raised.
        """
        async with self._reloading:
            try:
                loaded, keys = await self._load_checked(allow_empty=allow_empty)
            except WarrenError as error:
                self._rejection = error
                raise
            self._rejection = None
            loaded.on_accepted()
            configs = loaded.networks
            self._file_configs, self._tables_for_restart = (
                {config.name: config for config in configs},
                loaded.tables_for_restart,
            )
            from_file = (name for name, network in self._networks.items() if network.config.origin == "file")
            removed = [name for name in from_file if name not in self._file_configs]
            refusals: list[WarrenError] = []
            for name in removed:
                await _attempt(self._remove(name), refusals)
            released = await self._release_conflicts(configs, refusals)
            for config in configs:
                work = self._set_desired(config, keys.get(config.name), was_released=config.name in released)
                await _attempt(work, refusals)
            fields = {"networks": len(configs), "removed": len(removed), "refused": len(refusals)}
            log.info("config.reloaded", extra=fields)
            if refusals:
                raise refusals[0]
            return self.views()

    async def _load_checked(self, *, allow_empty: bool) -> tuple[Loaded, dict[str, NetworkKeys]]:
        """Read the file and the keys of its enabled networks. Raises WarrenError for what `reload` must not apply."""
        loaded = await asyncio.to_thread(self._load)
        configs, access = loaded.networks, self._context.privileged.keys
        findings = [*removal_findings([*self._file_configs.values()], configs, loaded.disabled)]
        if findings and not allow_empty:
            raise ConfigError(findings, source=loaded.source, code="config.empty")
        keys = {config.name: await asyncio.to_thread(read_keys, config, access) for config in configs if config.enabled}
        self._check_client_conflicts(configs)
        return loaded, keys

    async def _release_conflicts(self, configs: Sequence[NetworkConfig], refusals: list[WarrenError]) -> set[str]:
        """Take down each network that needs another link, or the port of another network; two may exchange ports.

        Returns the names of the networks that were taken down.
        """
        running = {name: network.config for name, network in self._networks.items() if network.state.is_running}
        released = set()
        users = Counter(network.listen_port for network in running.values())
        for config in configs:
            before = running.get(config.name)
            if before is None or before.origin == "control":
                continue
            others = users[config.listen_port] - (before.listen_port == config.listen_port)
            if not is_same_link(before, config) or (config.listen_port and others):
                network = self._networks[config.name]
                if network.state.is_running:
                    await _attempt(network.disconnect(keeps_policy=config.enabled), refusals)
                    released.add(config.name)
        return released

    async def _set_desired(self, config: NetworkConfig, keys: NetworkKeys | None, *, was_released: bool) -> None:
        """Bring one network of the file to `config`: change it, take it down, bring it up, or keep it stopped."""
        network = self._networks.get(config.name)
        before = None if network is None else network.config
        network = network or self._add(config)
        await network.wait_stopped()
        if network.state.is_running:
            if before is not None and before.origin == "control":
                return
            if keys is not None:
                await network.change(config, keys)
                return
            await network.disconnect()
        # A network that a client has taken down stays down, unless the file enables it anew.
        newly_enabled = before is None or not before.enabled or network.state.lifecycle is State.ERROR
        if config.enabled and (was_released or newly_enabled):
            self._connect(network, config)
            return
        if not config.enabled:
            network.stop_retrying()
        network.set_stopped_config(config)

    def _connect(self, network: Network, config: NetworkConfig) -> None:
        if self._is_closing:
            raise StateError(f"the agent is stopping: {config.name} cannot connect", code="agent.stopping")
        network.connect(config)

    def _check_conflicts(self, config: NetworkConfig) -> None:
        """Raise ConfigError if the network cannot be up together with those that are up."""
        others = [other for other in self._running_configs() if other.name != config.name]
        if findings := [*clash_findings([*others, config])]:
            raise ConfigError(findings)

    def _check_client_conflicts(self, configs: Sequence[NetworkConfig]) -> None:
        """Raise ConfigError if a network of the file cannot be up together with those that clients created."""
        of_clients = [config for config in self._running_configs() if config.origin == "control"]
        names = {config.name for config in of_clients}
        of_file = [config for config in configs if config.enabled and config.name not in names]
        if findings := [*clash_findings([*of_clients, *of_file])]:
            raise ConfigError(findings)

    def _running_configs(self) -> list[NetworkConfig]:
        return [network.config for network in self._networks.values() if network.state.is_running]

    def _add(self, config: NetworkConfig) -> Network:
        network = self._networks[config.name] = Network(config, self._context)
        self._tasks[config.name] = self._context.tasks.create_task(network.run(), name=f"network {config.name}")
        return network

    async def _remove(self, name: str) -> None:
        network = self._networks[name]
        await network.remove()
        while network.state.is_running:  # a client connected it meanwhile
            await network.remove()
        del self._networks[name]
        self._tasks.pop(name).cancel()

    def _find(self, name: str) -> Network:
        if name not in self._networks:
            raise no_such_network(name, self._networks)
        return self._networks[name]


async def _attempt(work: Awaitable[None], refusals: list[WarrenError]) -> None:
    """Collect what one network refuses, so that the others change nevertheless."""
    try:
        await work
    except WarrenError as error:
        refusals.append(error)


def is_same_link(before: NetworkConfig, after: NetworkConfig) -> bool:
    """Return True if the change can be applied to the link or the stack that exists."""
    names, rules = (before.interface, after.interface), (backend_rule(before), backend_rule(after))
    return names[0] == names[1] and rules[0].candidates == rules[1].candidates
