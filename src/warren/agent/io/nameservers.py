"""The host's name servers, as the networks that are up ask for them: one change at a time, as there is one resolver."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from warren.agent.io.rights import HostResolver
from warren.errors import HostError
from warren.tunnel.network import IPAddress, NetworkConfig

log = logging.getLogger(__name__)


class NameServers:
    """For one event loop. What the host refuses is told, and takes no tunnel down."""

    def __init__(self, resolver: HostResolver) -> None:
        self._resolver = resolver
        self._applied: dict[str, tuple[str, Sequence[IPAddress]]] = {}
        self._lock = asyncio.Lock()

    async def recover(self) -> None:
        """Gives the host back what it had before an agent that was killed."""
        async with self._lock:
            for error in await asyncio.to_thread(self._resolver.recover):
                log.warning("dns.not_recovered", extra={"error": str(error), "remedy": error.remedy})

    async def of_host(self) -> Sequence[IPAddress]:
        """The host's own, without any that a network gave it; none where they cannot be read."""
        async with self._lock:
            try:
                return await asyncio.to_thread(self._resolver.host_servers)
            except HostError as error:
                log.debug("dns.unknown", extra={"error": str(error)})
                return ()

    async def follow(self, network: NetworkConfig) -> HostError | None:
        """Names are asked as `network` says, if it says anything; why not, where that cannot be."""
        wanted = (network.interface, network.dns)
        async with self._lock:
            if self._applied.get(network.name, (network.interface, ())) == wanted:
                return None
            try:
                if network.dns:
                    await asyncio.to_thread(self._resolver.apply, network.name, network.interface, network.dns)
                else:
                    await asyncio.to_thread(self._resolver.revert, network.name)
            except HostError as error:
                return error
            self._applied[network.name] = wanted
            log.info("dns.changed", extra={"network": network.name, "servers": [str(each) for each in network.dns]})
            return None

    async def leave(self, network: str) -> None:
        """The network goes down: the host has back what it had before."""
        async with self._lock:
            if network not in self._applied:
                return
            try:
                await asyncio.to_thread(self._resolver.revert, network)
            except HostError as error:
                log.warning("dns.not_reverted", extra={"network": network, "error": str(error)})
                if error.code != "dns.changed":
                    return  # it may be tried again
            del self._applied[network]
