"""All networks of the agent: those of the file, and those that clients of the control socket have made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from warren.agent.io.key_ring import read_keys
from warren.agent.io.network import RUNNING, Host, Network
from warren.errors import ConfigError, StateError, WarrenError
from warren.localapi.networks import NetworkView, Rotation
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig, no_such_network
from warren.tunnel.overlap import clash_findings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that was read again."""

    networks: Sequence[NetworkConfig]
    waiting: tuple[str, ...] = ()
    """Tables that were changed since the start, and count at the next."""


Load = Callable[[], Loaded]


class AgentNetworks:
    """The networks by name; `localapi.networks.Networks` is what it looks like from outside.

    `load` reads the configuration anew: it may block, and raises ConfigError.
    """

    def __init__(self, configs: Sequence[NetworkConfig], load: Load, host: Host) -> None:
        self._load = load
        self._waiting: tuple[str, ...] = ()
        self._host = host
        self._of_file = {config.name: config for config in configs}
        self._networks: dict[str, Network] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reloading = asyncio.Lock()
        self._is_closing = False
        for config in configs:
            self._add(config)

    def start(self) -> None:
        """Begins to bring up the networks of the file that are enabled."""
        for network in self._networks.values():
            if network.config.enabled:
                network.connect(network.config)

    async def close(self) -> None:
        """Takes all down, whoever asks for what meanwhile, and ends their tasks."""
        self._is_closing = True
        all_of_them = [*self._networks.values()]
        results = await asyncio.gather(*(network.end() for network in all_of_them), return_exceptions=True)
        for network, result in zip(all_of_them, results, strict=True):
            if result is not None:
                log.error("network.left", extra={"network": network.config.name, "error": str(result)})
        for task in self._tasks.values():
            task.cancel()

    def views(self) -> Sequence[NetworkView]:
        """All, in the order in which they became known."""
        return [network.view() for network in self._networks.values()]

    def view(self, network: str) -> NetworkView:
        """One of them. Raises StateError."""
        return self._find(network).view()

    def waiting(self) -> Sequence[str]:
        """Tables of the file that were changed since the start, and count at the next."""
        return self._waiting

    async def connect(self, network: str, config: NetworkConfig | None) -> NetworkView:
        """Begins to bring it up, as the file says or as `config` does. Raises WarrenError."""
        wanted = None
        while wanted != (now := config or self._of_file.get(network) or self._find(network).config):
            wanted = now
            # A key that cannot be used is the caller's to know at once. A reload may change the network meanwhile.
            await asyncio.to_thread(read_keys, wanted, self._host.rights.keys)
        self._check_beside(now)
        found = self._networks.get(network) or self._add(now)
        self._begin(found, now)
        return found.view()

    async def disconnect(self, network: str) -> NetworkView:
        """Takes it down. Raises WarrenError."""
        found = self._find(network)
        await found.disconnect()
        return found.view()

    async def rotate(self, network: str, step: str) -> Rotation:
        """Goes one step on with a new private key. Raises WarrenError."""
        return await self._find(network).rotate(step)

    async def reload(self) -> Sequence[NetworkView]:
        """Reads the file again and applies the difference, network by network; those of clients stay as they are.

        Raises WarrenError with nothing changed if the file or a key is invalid, or if what it asks for cannot be beside
        what clients have made. A network that refuses its change stays as it was, the others change, and the first
        refusal is raised.
        """
        async with self._reloading:
            loaded = await asyncio.to_thread(self._load)
            wanted, access = loaded.networks, self._host.rights.keys
            keys = {each.name: await asyncio.to_thread(read_keys, each, access) for each in wanted if each.enabled}
            self._check_beside_clients(wanted)
            self._of_file, self._waiting = {each.name: each for each in wanted}, loaded.waiting
            of_file = (name for name, each in self._networks.items() if each.config.origin == "file")
            gone = [name for name in of_file if name not in self._of_file]
            refusals: list[WarrenError] = []
            for name in gone:
                await _attempt(self._drop(name), refusals)
            cleared = await self._clear_the_way(wanted, refusals)
            for config in wanted:
                work = self._become(config, keys.get(config.name), was_cleared=config.name in cleared)
                await _attempt(work, refusals)
            log.info("config.reloaded", extra={"networks": len(wanted), "gone": len(gone), "refused": len(refusals)})
            if refusals:
                raise refusals[0]
            return self.views()

    async def _clear_the_way(self, wanted: Sequence[NetworkConfig], refusals: list[WarrenError]) -> set[str]:
        """Takes down what must be made anew, and what wants a port that another has now: the two may exchange them."""
        running = {name: each.config for name, each in self._networks.items() if each.record.state in RUNNING}
        cleared = set()
        for config in wanted:
            before = running.get(config.name)
            if before is None or before.origin == "control":
                continue
            others = {each.listen_port for name, each in running.items() if name != config.name} - {0}
            if not is_same_link(before, config) or config.listen_port in others:
                network = self._networks[config.name]
                if network.record.state in RUNNING:
                    await _attempt(network.disconnect(), refusals)
                    cleared.add(config.name)
        return cleared

    async def _become(self, config: NetworkConfig, keys: NetworkKeys | None, *, was_cleared: bool) -> None:
        network = self._networks.get(config.name)
        before = None if network is None else network.config
        network = network or self._add(config)
        await network.settle()
        if network.record.state in RUNNING:
            if before is not None and before.origin == "control":
                return
            if keys is not None:
                await network.change(config, keys)
                return
            await network.disconnect()
        # One that a client has taken down stays down, unless the file asks for it anew.
        asked_anew = before is None or not before.enabled or network.record.state is State.ERROR
        if config.enabled and (was_cleared or asked_anew):
            self._begin(network, config)
            return
        if not config.enabled:
            network.give_up()
        network.rest(config)

    def _begin(self, network: Network, config: NetworkConfig) -> None:
        if self._is_closing:
            raise StateError(f"the agent is stopping: {config.name} cannot connect", code="agent.stopping")
        network.connect(config)

    def _check_beside(self, config: NetworkConfig) -> None:
        """Raises ConfigError where it cannot be up together with those that are."""
        others = [each for each in self._running() if each.name != config.name]
        if findings := [*clash_findings([*others, config])]:
            raise ConfigError(findings)

    def _check_beside_clients(self, wanted: Sequence[NetworkConfig]) -> None:
        """Raises ConfigError where a network of the file cannot be up together with those that clients have made."""
        beside = [each for each in self._running() if each.origin == "control"]
        names = {each.name for each in beside}
        if findings := [
            *clash_findings([*beside, *(each for each in wanted if each.enabled and each.name not in names)])
        ]:
            raise ConfigError(findings)

    def _running(self) -> list[NetworkConfig]:
        return [each.config for each in self._networks.values() if each.record.state in RUNNING]

    def _add(self, config: NetworkConfig) -> Network:
        network = self._networks[config.name] = Network(config, self._host)
        self._tasks[config.name] = self._host.group.create_task(network.run(), name=f"network {config.name}")
        return network

    async def _drop(self, name: str) -> None:
        network = self._networks[name]
        await network.end()
        while network.record.state in RUNNING:  # a client was faster
            await network.end()
        del self._networks[name]
        self._tasks.pop(name).cancel()

    def _find(self, name: str) -> Network:
        if name not in self._networks:
            raise no_such_network(name, self._networks)
        return self._networks[name]


async def _attempt(work: Awaitable[None], refusals: list[WarrenError]) -> None:
    """What one network refuses is told at the end, and keeps no other from its change."""
    try:
        await work
    except WarrenError as error:
        refusals.append(error)


def is_same_link(before: NetworkConfig, after: NetworkConfig) -> bool:
    """Whether a change can be made to the link that there is."""
    return (before.interface, before.backend) == (after.interface, after.backend)
