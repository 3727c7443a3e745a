"""Keep the warnings of a network that works: of its configuration, LANs, foreign addresses and looping endpoints.

Each is a condition of the network (docs/reference/conditions.md), logged when it begins.
"""

from __future__ import annotations

import asyncio
import logging

from warren._core import Netlink
from warren.agent.network_state import NetworkState
from warren.clock import monotonic_seconds
from warren.telemetry.conditions import Condition
from warren.tunnel.config import Endpoint
from warren.tunnel.io.endpoint_route import endpoints_inside
from warren.tunnel.io.observe import lan_addresses
from warren.tunnel.network import NetworkConfig
from warren.tunnel.network_table import toml_key
from warren.tunnel.overlap import lan_warnings, network_warnings
from warren.tunnel.status import InterfaceStatus

LAN_CHECK_INTERVAL = 60.0  # seconds; a lease of a new address is rare, and takes nothing away at once
ENDPOINT_CHECK_INTERVAL = 15.0  # seconds; a rule of another program is seen by that, a new endpoint at once

log = logging.getLogger(__name__)


class NetworkWarnings:
    """Keeps the conditions of one network. What asks the kernel runs in threads."""

    def __init__(self, network: str, state: NetworkState, netlink: Netlink) -> None:
        self._network = network
        self._state = state
        self._netlink = netlink
        self._lans_checked_at = 0.0
        self._endpoints_checked_at = 0.0
        self._endpoints: frozenset[Endpoint | None] = frozenset()
        self._reported: NetworkConfig | None = None

    def set_condition(self, subject: str, condition: Condition | None) -> None:
        """Show a condition of a subject in place of its former one, or end it."""
        if self._state.set_warning(subject, condition) and condition is not None:
            fields = {"network": self._network, "code": condition.name, "error": condition.sentence}
            log.warning("network.warning", extra=fields)

    def report_config(self, config: NetworkConfig) -> None:
        """Show what `warren validate` warns of to those who never ran it."""
        if config is self._reported:
            return
        self._reported = config
        self._state.advice = tuple(
            Condition("config.warning", f"{toml_key(finding.key)}: {finding.problem}; {finding.expected}")
            for finding in network_warnings(config)
        )

    def report_foreign_addresses(self, status: InterfaceStatus, config: NetworkConfig) -> None:
        """Show the addresses that another program added: they are left alone, and may be a mistake."""
        foreign = () if status.link is None else status.link.foreign_addresses(config.addresses)
        text = f"{status.name} has {', '.join(map(str, foreign))}, which another program added; left alone"
        self.set_condition("addresses", Condition("address.foreign", text) if foreign else None)

    async def check_host(self, config: NetworkConfig, *, is_changed: bool) -> None:
        """Compare the network with the rest of the host, where that is due. Raises HostError."""
        if is_changed or monotonic_seconds() > self._lans_checked_at + LAN_CHECK_INTERVAL:
            await self._check_lan_overlaps(config)
        await self._check_endpoint_routes()

    async def _check_lan_overlaps(self, config: NetworkConfig) -> None:
        """Warn if the network takes a prefix that is a LAN of this host; that LAN may have come later."""
        self._lans_checked_at = monotonic_seconds()
        findings = await asyncio.to_thread(lambda: [*lan_warnings(config, lan_addresses(self._netlink))])
        text = "; ".join(f"{toml_key(finding.key)}: {finding.problem}; {finding.expected}" for finding in findings)
        self.set_condition("lan", Condition("route.overlaps_lan", text) if text else None)

    async def _check_endpoint_routes(self) -> None:
        """Warn if packets to an endpoint go into the tunnel that they carry, by a route or rule of another program.

        Examined are new endpoints at once, and all of them now and then. The routes for what was observed are applied.
        """
        status, now = self._state.status, monotonic_seconds()
        if status is None:
            return
        endpoints = frozenset(peer.endpoint for peer in status.peers)
        if endpoints == self._endpoints and now < self._endpoints_checked_at + ENDPOINT_CHECK_INTERVAL:
            return
        self._endpoints, self._endpoints_checked_at = endpoints, now
        inside = await asyncio.to_thread(lambda: [*endpoints_inside(status, self._netlink)])
        text = f"packets to {', '.join(map(str, inside))} are routed into {status.name} itself"
        self.set_condition("endpoint", Condition("endpoint.inside_tunnel", text) if inside else None)
