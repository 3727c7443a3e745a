"""Samples of the agent's networks at one moment, from which health, metrics and status are made.

A sample holds no secret. Times are seconds since the Unix epoch.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from warren.telemetry.conditions import Condition


class Connection(enum.StrEnum):
    """The connection state of a network, in the terms of health (H-59)."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PathMtuSample:
    """Hold what is known of the path MTU of a peer."""

    source: str
    """`probed`, `route` or `unknown`."""
    mtu: int | None = None
    age_seconds: int | None = None
    reason: str | None = None
    """Why it is unknown."""


@dataclass(frozen=True, slots=True)
class PeerSample:
    """One peer."""

    name: str
    public_key: str
    endpoint: str | None = None
    allowed_ips: tuple[str, ...] = ()
    """The prefixes that are routed to it now: none for a redundant peer that stands by."""
    latest_handshake: float | None = None
    rx_bytes: int = 0
    tx_bytes: int = 0
    wanted: bool = True
    """True if it has a keepalive, or something was sent to it; a peer without either is waiting and not unhealthy."""
    pending: str | None = None
    """The reason why it cannot be reached yet, such as a name that does not resolve."""
    tried: tuple[str, ...] = ()
    """The addresses of its endpoint without an answer since the last contact, if it has several."""
    latency_seconds: float | None = None
    """Round trip of the last echo; None before the first, and if nothing can be probed."""
    loss_rate: float | None = None
    """Loss of the last echoes, 0 to 1."""
    path_mtu: PathMtuSample | None = None
    """None if nothing is done to find it."""


@dataclass(frozen=True, slots=True)
class NetworkSample:
    """One network. Its counters never go down while the agent runs, even if peers come and go."""

    name: str
    connection: Connection
    interface: str
    backend: str
    origin: str
    backend_reason: str = ""
    """Why the backends that are tried before it are not in use; empty if there is none."""
    mtu: int = 0
    listen_port: int = 0
    fwmark: int = 0
    public_key: str | None = None
    addresses: tuple[str, ...] = ()
    connected_since: float | None = None
    peers: tuple[PeerSample, ...] = ()
    rx_bytes: int = 0
    tx_bytes: int = 0
    handshakes_succeeded: int = 0
    handshakes_failed: int = 0
    error: str | None = None
    warnings: tuple[Condition, ...] = ()
