"""Define what the local API requires of the agent's networks: the seam between its endpoints and what does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from warren.telemetry.sample import NetworkSample
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class NetworkView:
    """Show one network to a client."""

    state: State
    sample: NetworkSample


@dataclass(frozen=True, slots=True)
class Rotation:
    """Describe a key rotation after a step."""

    network: str
    step: str
    """`prepared`, `committed` or `aborted`."""
    public_key: str
    """The new key after `prepared` and `committed`; the previous key after `aborted`."""


class Networks(Protocol):
    """Operate on the agent's networks by name. Methods raise WarrenError, `network.unknown` for an unknown name."""

    def views(self) -> Sequence[NetworkView]:
        """Return all networks, in the order of the configuration."""

    def view(self, network: str) -> NetworkView:
        """Return one network."""

    def tables_for_restart(self) -> Sequence[str]:
        """Return the tables of the configuration that changed and take effect after a restart, such as `[http]`."""

    async def connect(self, network: str, config: NetworkConfig | None) -> NetworkView:
        """Start to bring a network up and return once that is accepted, in state `starting` if it takes longer."""

    async def disconnect(self, network: str) -> NetworkView:
        """Take a network down; its interface, routes, rules and DNS settings are removed when this returns."""

    async def reload(self, *, allow_empty: bool = False) -> Sequence[NetworkView]:
        """Read the configuration again and apply the difference; an invalid one changes nothing.

        Neither does one that would remove every network, or every peer of one, unless `allow_empty`.
        """

    async def rotate(self, network: str, step: str) -> Rotation:
        """Take one step of a key rotation: `prepare`, `commit` or `abort`."""
