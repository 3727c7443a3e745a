"""The host's name servers, as set by the networks that are up: one change at a time, as a host has one resolver."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from warren.clock import monotonic_seconds
from warren.config.parsers import IPAddress
from warren.errors import HostError
from warren.privsep.io.privileged_ops import HostResolver
from warren.tunnel.network import NetworkConfig

VERIFY_INTERVAL = 15.0  # seconds; a check reads a file, and through the helper it takes two messages

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Verdict:
    at: float
    error: HostError | None = None


class NameServers:
    """The name servers of the host. For one event loop. A refusal of the host is reported and takes no tunnel down."""

    def __init__(self, resolver: HostResolver) -> None:
        """Begin with the host's own name servers."""
        self._resolver = resolver
        self._applied: dict[str, tuple[str, Sequence[IPAddress]]] = {}
        self._verified: dict[str, _Verdict] = {}
        self._lock = asyncio.Lock()

    async def recover(self) -> None:
        """Restore the name servers that a killed agent had replaced."""
        async with self._lock:
            for error in await asyncio.to_thread(self._resolver.recover):
                log.warning("dns.recovery_failed", extra={"error": str(error), "hint": error.hint})

    async def of_host(self) -> Sequence[IPAddress]:
        """Return the host's own name servers, without those of networks; empty if they cannot be read."""
        async with self._lock:
            try:
                return await asyncio.to_thread(self._resolver.host_servers)
            except HostError as error:
                log.debug("dns.unreadable", extra={"error": str(error)})
                return ()

    async def apply(self, network: NetworkConfig) -> HostError | None:
        """Set the name servers of a network, or verify them if they are set; return why that failed, or None."""
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
            servers = [str(server) for server in network.dns]
            log.info("dns.changed", extra={"network": network.name, "servers": servers})
            return None

    async def _verify(self, network: str) -> HostError | None:
        """Return an error if another program changed the name servers; two programs that restore them would fight."""
        before, now = self._verified[network], monotonic_seconds()
        if now - before.at < VERIFY_INTERVAL:
            return before.error
        error = None
        try:
            await asyncio.to_thread(self._resolver.verify, network)
        except HostError as refusal:
            error = None if refusal.code == "helper.ended" else refusal  # that one is a condition of its own
        self._verified[network] = _Verdict(now, error)
        return error

    async def revert(self, network: str) -> None:
        """Restore the former name servers when a network goes down. A failure is logged."""
        async with self._lock:
            if network not in self._applied:
                return
            try:
                await asyncio.to_thread(self._resolver.revert, network)
            except HostError as error:
                log.warning("dns.revert_failed", extra={"network": network, "error": str(error)})
                if error.code != "dns.changed":
                    return  # a later attempt may succeed
            del self._applied[network]
