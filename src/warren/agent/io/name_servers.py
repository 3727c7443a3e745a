"""The host's name servers, as the networks that are up ask for them: one change at a time, as there is one resolver."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from warren.clock import monotonic_seconds
from warren.errors import HostError
from warren.privsep.io.privileged_ops import HostResolver
from warren.tunnel.network import IPAddress, NetworkConfig

VERIFY_SECONDS = 15.0  # a look costs a file's reading, and by the helper two messages

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Verdict:
    at: float
    error: HostError | None = None


class NameServers:
    """For one event loop. What the host refuses is told, and takes no tunnel down."""

    def __init__(self, resolver: HostResolver) -> None:
        self._resolver = resolver
        self._applied: dict[str, tuple[str, Sequence[IPAddress]]] = {}
        self._verified: dict[str, _Verdict] = {}
        self._lock = asyncio.Lock()

    async def recover(self) -> None:
        """Gives the host back what it had before an agent that was killed."""
        async with self._lock:
            for error in await asyncio.to_thread(self._resolver.recover):
                log.warning("dns.recovery_failed", extra={"error": str(error), "hint": error.hint})

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
                return await self._verify(network.name) if network.dns else None
            try:
                if network.dns:
                    await asyncio.to_thread(self._resolver.apply, network.name, network.interface, network.dns)
                else:
                    await asyncio.to_thread(self._resolver.revert, network.name)
            except HostError as error:
                return error
            self._applied[network.name] = wanted
            self._verified[network.name] = _Verdict(monotonic_seconds())
            log.info("dns.changed", extra={"network": network.name, "servers": [str(each) for each in network.dns]})
            return None

    async def _verify(self, network: str) -> HostError | None:
        """What others have changed stays as they made it, and is told: two programs that each put it back fight."""
        before, now = self._verified[network], monotonic_seconds()
        if now - before.at < VERIFY_SECONDS:
            return before.error
        error = None
        try:
            await asyncio.to_thread(self._resolver.verify, network)
        except HostError as found:
            error = None if found.code == "helper.ended" else found  # which is a condition of its own
        self._verified[network] = _Verdict(now, error)
        return error

    async def leave(self, network: str) -> None:
        """The network goes down: the host has back what it had before."""
        async with self._lock:
            if network not in self._applied:
                return
            try:
                await asyncio.to_thread(self._resolver.revert, network)
            except HostError as error:
                log.warning("dns.revert_failed", extra={"network": network, "error": str(error)})
                if error.code != "dns.changed":
                    return  # it may be tried again
            del self._applied[network]
