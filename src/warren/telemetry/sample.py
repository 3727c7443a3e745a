"""What the agent knows of its networks at one moment: what health is judged by, metrics are made of and `status` shows.

Nothing here is secret. Times are seconds since the Unix epoch.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from warren.telemetry.conditions import Condition


class Connection(enum.StrEnum):
    """What a network is doing, in the words of health (H-59)."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PeerSample:
    """One peer."""

    name: str
    public_key: str
    endpoint: str | None = None
    allowed_ips: tuple[str, ...] = ()
    """What is routed to it now: none for a redundant peer that stands by."""
    latest_handshake: float | None = None
    rx_bytes: int = 0
    tx_bytes: int = 0
    wanted: bool = True
    """Whether traffic is wanted from it: a peer without keepalive that nobody has sent to is not unhealthy."""
    pending: str | None = None
    """Why it cannot be reached yet, as a name that does not resolve."""
    latency_seconds: float | None = None
    """Round trip of the last echo; None before the first, and where nothing can be probed."""
    loss_rate: float | None = None
    """0 to 1, of the last echoes."""


@dataclass(frozen=True, slots=True)
class NetworkSample:
    """One network. Its counters never go down while the agent runs, whatever happens to its peers."""

    name: str
    connection: Connection
    interface: str
    backend: str
    origin: str
    mtu: int = 0
    listen_port: int = 0
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
