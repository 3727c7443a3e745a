"""Effects on an OpenVPN server, through its management socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class VpnSession:
    """A connected client."""

    client_id: int
    """OpenVPN's number for it, not reused until the server restarts."""
    username: str
    """The common name of its certificate, which the server has verified."""
    source: str
    """ADDRESS:PORT."""
    addresses: tuple[str, ...]
    """Its addresses inside the tunnel."""
    since: int
    """Seconds since the Unix epoch."""
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class ListVpnSessions(Effect[tuple[VpnSession, ...]]):
    """List the sessions of all users, oldest client first; fails if the server does not answer."""

    reads: ClassVar[bool] = True
    socket: str


@dataclass(frozen=True, slots=True)
class KillVpnSessions(Effect[int]):
    """End all sessions of a user at once and return how many there were; their packets are dropped from then on."""

    socket: str
    username: str

    def simulated(self) -> int:
        return 0
