"""What the local API asks of the agent: the seam between the control socket, the local HTTP, and what does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from warren.telemetry.sample import NetworkSample
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network as a client may see it."""

    state: State
    sample: NetworkSample


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation of a network's key as it stands."""

    network: str
    step: str
    """`prepared`, `committed` or `aborted`."""
    public_key: str
    """The new key's after `prepared` and `committed`; the old one's after `aborted`."""


class Networks(Protocol):
    """The networks of the agent. Every method raises WarrenError; `network.unknown` where there is none."""

    def views(self) -> Sequence[NetworkView]:
        """All of them, in the order of the configuration."""

    def view(self, network: str) -> NetworkView:
        """One of them."""

    def waiting(self) -> Sequence[str]:
        """Tables of the configuration that were changed since the start, and count at the next: `[http]`."""

    async def connect(self, network: str, config: NetworkConfig | None) -> NetworkView:
        """Begins to bring it up: answers as soon as that is accepted, in state `starting` where it takes longer."""

    async def disconnect(self, network: str) -> NetworkView:
        """Takes it down; its interface, routes, rules and DNS are gone when this returns."""

    async def reload(self) -> Sequence[NetworkView]:
        """Reads the configuration again and applies the difference; an invalid one changes nothing."""

    async def rotate(self, network: str, step: str) -> Rotation:
        """Goes one step on with a new private key: `prepare`, `commit` or `abort`."""
