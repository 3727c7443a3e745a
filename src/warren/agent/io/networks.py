"""All networks of the agent: those of the file, and those that clients of the control socket have made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from warren.agent.io.keyring import read_keys
from warren.agent.io.network import Host, Network
from warren.errors import ConfigError, StateError, WarrenError
from warren.localapi.networks import NetworkView, Rotation
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig
from warren.tunnel.overlap import clash_findings

RUNNING = (State.STARTING, State.ACTIVE)

log = logging.getLogger(__name__)
Load = Callable[[], Sequence[NetworkConfig]]


class AgentNetworks:
    """The networks by name; `localapi.networks.Networks` is what it looks like from outside.

    `load` reads the configuration anew: it may block, and raises ConfigError.
    """

    def __init__(self, configs: Sequence[NetworkConfig], load: Load, host: Host) -> None:
        self._load = load
        self._host = host
        self._networks: dict[str, Network] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reloading = asyncio.Lock()
        for config in configs:
            self._add(config)

    def start(self) -> None:
        """Begins to bring up the networks of the file that are enabled."""
        for network in self._networks.values():
            if network.config.enabled:
                network.connect(network.config)

    async def close(self) -> None:
        """Takes all down, and ends their tasks."""
        running = [network for network in self._networks.values() if network.record.state in RUNNING]
        await asyncio.gather(*(network.disconnect() for network in running))
        for task in self._tasks.values():
            task.cancel()

    def views(self) -> Sequence[NetworkView]:
        """All, in the order in which they became known."""
        return [network.view() for network in self._networks.values()]

    def view(self, network: str) -> NetworkView:
        """One of them. Raises StateError."""
        return self._find(network).view()

    async def connect(self, network: str, config: NetworkConfig | None) -> NetworkView:
        """Begins to bring it up, as the file says or as `config` does. Raises WarrenError."""
        wanted = self._find(network).config if config is None else config
        self._check_beside(wanted)
        await asyncio.to_thread(
            read_keys, wanted, self._host.rights.keys
        )  # a key that cannot be used is the caller's to know at once
        found = self._networks.get(network) or self._add(wanted)
        found.connect(wanted)
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

        Raises WarrenError with nothing changed if the file or a key is invalid. A network that refuses its change stays
        as it was, the others change, and the first refusal is raised.
        """
        async with self._reloading:
            wanted = await asyncio.to_thread(self._load)
            access = self._host.rights.keys
            keys = {each.name: await asyncio.to_thread(read_keys, each, access) for each in wanted if each.enabled}
            named = {each.name for each in wanted}
            of_file = (name for name, each in self._networks.items() if each.config.origin == "file")
            gone = [name for name in of_file if name not in named]
            for name in gone:
                await self._drop(name)
            refusals: list[WarrenError] = []
            for config in wanted:
                try:
                    await self._become(config, keys.get(config.name))
                except WarrenError as error:
                    refusals.append(error)
            log.info("config.reloaded", extra={"networks": len(wanted), "gone": len(gone), "refused": len(refusals)})
            if refusals:
                raise refusals[0]
            return self.views()

    async def _become(self, config: NetworkConfig, keys: NetworkKeys | None) -> None:
        network = self._networks.get(config.name)
        if network is None:
            network = self._add(config)
            before = None
        elif network.config.origin == "control":
            return
        else:
            before = network.config
        running = network.record.state in RUNNING
        if running and keys is not None and before is not None and is_same_link(before, config):
            await network.change(config, keys)
            return
        if running:
            await network.disconnect()
        network.config = config
        # One that a client has taken down stays down, unless the file asks for it anew.
        if config.enabled and (running or before is None or not before.enabled or network.record.state is State.ERROR):
            network.connect(config)

    def _check_beside(self, config: NetworkConfig) -> None:
        """Raises ConfigError where it cannot be up together with those that are."""
        running = [each.config for each in self._networks.values() if each.record.state in RUNNING]
        others = [each for each in running if each.name != config.name]
        if findings := [*clash_findings([*others, config])]:
            raise ConfigError(findings)

    def _add(self, config: NetworkConfig) -> Network:
        network = self._networks[config.name] = Network(config, self._host)
        self._tasks[config.name] = self._host.group.create_task(network.run(), name=f"network {config.name}")
        return network

    async def _drop(self, name: str) -> None:
        network = self._networks[name]
        if network.record.state in RUNNING:
            await network.disconnect()
        del self._networks[name]
        self._tasks.pop(name).cancel()

    def _find(self, name: str) -> Network:
        if name not in self._networks:
            known = ", ".join(self._networks) or "none"
            raise StateError(f"there is no network {name}, only: {known}", code="network.unknown")
        return self._networks[name]


def is_same_link(before: NetworkConfig, after: NetworkConfig) -> bool:
    """Whether a change can be made to the link that there is."""
    return (before.interface, before.backend) == (after.interface, after.backend)
