"""Networks in memory that obey the lifecycle: what the agent's own are to the local API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tests.tunnel.strategies import PUBLIC_KEYS
from warren._core import PrivateKey
from warren.errors import ConfigError, StateError
from warren.localapi.networks import NetworkView, Rotation
from warren.telemetry.sample import Connection, NetworkSample, PeerSample
from warren.tunnel.lifecycle import LifecycleEvent, State, after
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.removal import removal_findings

NOW = 1_800_000_000.0
CONNECTIONS = {
    State.ACTIVE: Connection.CONNECTED,
    State.STARTING: Connection.CONNECTING,
    State.ERROR: Connection.FAILED,
}


def config(name: str = "default", peers: Sequence[str] = ("gateway-1", "gateway-2")) -> NetworkConfig:
    """A network of the file."""
    keys = zip(peers, PUBLIC_KEYS, strict=False)
    return NetworkConfig(
        name,
        f"/etc/warren/keys/{name}.key",
        interface="wg0",
        peers=tuple(NetworkPeer(peer, key) for peer, key in keys),
    )


@dataclass(slots=True)
class SimulatedNetwork:
    """One network: its first peer has just shaken hands, no other ever has."""

    config: NetworkConfig
    state: State = State.UNINITIALIZED
    key: PrivateKey | None = None
    next_key: PrivateKey | None = None

    def go(self, step: LifecycleEvent) -> None:
        """Raises StateError."""
        self.state = after(self.state, step, self.config.name)

    def view(self) -> NetworkView:
        """What a client sees."""
        peers = [
            PeerSample(peer.name, str(peer.public_key), latest_handshake=None if number else NOW - 10, rx_bytes=7)
            for number, peer in enumerate(self.config.peers)
        ]
        sample = NetworkSample(
            self.config.name,
            CONNECTIONS.get(self.state, Connection.DISCONNECTED),
            self.config.interface,
            "userspace",
            self.config.origin,
            peers=tuple(peers),
            rx_bytes=7 * len(peers),
            tx_bytes=5,
        )
        return NetworkView(self.state, sample)


class SimulatedNetworks:
    """All of them. What is `stuck` never gets further than accepted: its resolver hangs, or its engine."""

    def __init__(self, *configs: NetworkConfig, stuck: Iterable[str] = ()) -> None:
        self.file: Sequence[NetworkConfig] | ConfigError = configs
        """What `reload` reads."""
        self.networks = {each.name: SimulatedNetwork(each) for each in configs}
        self.stuck = frozenset(stuck)
        self.changed_for_later: Sequence[str] = ()

    def views(self) -> Sequence[NetworkView]:
        """In the order in which they became known."""
        return [network.view() for network in self.networks.values()]

    def view(self, network: str) -> NetworkView:
        """Raises StateError."""
        return self._find(network).view()

    async def connect(self, network: str, config: NetworkConfig | None) -> NetworkView:
        """Waits for ever where it is stuck, so that the caller must not wait for it."""
        if config is not None:
            self.networks.setdefault(network, SimulatedNetwork(config)).config = config
        found = self._find(network)
        found.go(LifecycleEvent.START)
        await self._hang(network)
        found.go(LifecycleEvent.UP)
        return found.view()

    async def disconnect(self, network: str) -> NetworkView:
        """The same."""
        found = self._find(network)
        found.go(LifecycleEvent.STOP)
        await self._hang(network)
        found.go(LifecycleEvent.GONE)
        return found.view()

    def tables_for_restart(self) -> Sequence[str]:
        return self.changed_for_later

    async def reload(self, *, allow_empty: bool = False) -> Sequence[NetworkView]:
        """Take what `file` is now, and keep the state of what is in it."""
        if isinstance(self.file, ConfigError):
            raise self.file
        findings = [*removal_findings([each.config for each in self.networks.values()], self.file, ())]
        if findings and not allow_empty:
            raise ConfigError(findings, code="config.empty")
        before, self.networks = self.networks, {}
        for each in self.file:
            known = before.get(each.name, SimulatedNetwork(each))
            self.networks[each.name] = replace(known, config=each)
        return self.views()

    async def rotate(self, network: str, step: str) -> Rotation:
        """`commit` and `abort` need a `prepare` before them."""
        found = self._find(network)
        if step == "prepare":
            found.key = found.key or PrivateKey.generate()
            found.next_key = PrivateKey.generate()
            return Rotation(network, "prepared", str(found.next_key.public_key()))
        if found.key is None or found.next_key is None:
            raise StateError(
                f"network {network} has no new key; expected a prepare before", code="network.invalid_state"
            )
        if step == "commit":
            found.key = found.next_key
        return Rotation(network, {"commit": "committed", "abort": "aborted"}[step], str(found.key.public_key()))

    def _find(self, name: str) -> SimulatedNetwork:
        if name not in self.networks:
            raise StateError(f"there is no network {name}", code="network.unknown")
        return self.networks[name]

    async def _hang(self, name: str) -> None:
        if name in self.stuck:
            await asyncio.Event().wait()
