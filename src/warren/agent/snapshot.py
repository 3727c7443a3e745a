"""The sample of a network for telemetry, made of its configuration and its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from warren._core import PublicKey
from warren.agent.network_state import NetworkState
from warren.telemetry.echo import Figures
from warren.telemetry.sample import Connection, NetworkSample, PathMtuSample, PeerSample
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.status import InterfaceStatus, PeerStatus


def connection_of(state: State) -> Connection:
    """Return the connection state of health for a lifecycle state (H-59)."""
    match state:
        case State.UNINITIALIZED | State.STOPPING | State.STOPPED:
            return Connection.DISCONNECTED
        case State.STARTING:
            return Connection.CONNECTING
        case State.ACTIVE:
            return Connection.CONNECTED
        case State.ERROR:
            return Connection.FAILED
        case _:
            assert_never(state)


def network_sample(
    config: NetworkConfig,
    state: NetworkState,
    backend: str,
    figures: Mapping[PublicKey, Figures],
    *,
    backend_reason: str = "",
) -> NetworkSample:
    """Return the sample of a network; `figures` are those of the peers that have answered an echo.

    `backend_reason` says why the backends that are tried before the one in use are not.
    """
    status = state.status or InterfaceStatus(config.interface)
    statuses = {peer.public_key: peer for peer in status.peers}
    error = state.error
    return NetworkSample(
        name=config.name,
        connection=connection_of(state.lifecycle),
        interface=config.interface,
        backend=backend,
        backend_reason=backend_reason,
        origin=config.origin,
        mtu=config.mtu,
        listen_port=status.listen_port,
        fwmark=status.fwmark,
        public_key=None if status.public_key is None else status.public_key.to_base64(),
        addresses=tuple(str(address) for address in config.addresses),
        connected_since=state.connected_since,
        peers=tuple(
            _peer_sample(peer, statuses.get(peer.public_key, PeerStatus(peer.public_key)), state, figures)
            for peer in config.peers
        ),
        rx_bytes=state.counters.total.rx,
        tx_bytes=state.counters.total.tx,
        handshakes_succeeded=state.handshakes_succeeded,
        handshakes_failed=state.handshakes_failed,
        error=None if error is None else f"{error}; {error.hint}",
        warnings=(*state.advice, *state.warnings.values()),
    )


def _peer_sample(
    peer: NetworkPeer, status: PeerStatus, state: NetworkState, figures: Mapping[PublicKey, Figures]
) -> PeerSample:
    endpoint = status.endpoint or peer.endpoint
    measured, path = figures.get(peer.public_key), status.path_mtu
    return PeerSample(
        name=peer.name,
        public_key=peer.public_key.to_base64(),
        endpoint=None if endpoint is None else str(endpoint),
        allowed_ips=tuple(str(prefix) for prefix in status.allowed_ips),
        latest_handshake=status.latest_handshake,
        rx_bytes=status.rx_bytes,
        tx_bytes=status.tx_bytes,
        wanted=peer.persistent_keepalive_seconds > 0 or status.tx_bytes > 0,
        pending=state.pending.get(peer.public_key),
        tried=state.tried.get(peer.public_key, ()),
        latency_seconds=None if measured is None else measured.latency_seconds,
        loss_rate=None if measured is None else measured.loss_rate,
        path_mtu=None if path is None else PathMtuSample(path.source, path.mtu, path.age_seconds, path.reason),
    )
