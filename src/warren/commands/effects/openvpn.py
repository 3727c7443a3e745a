"""What is wanted of OpenVPN's server by its management socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class VpnSession:
    """A client that is connected."""

    client_id: int
    """OpenVPN's number for it: not given again until the server starts anew."""
    username: str
    """The common name of its certificate, which the server has verified."""
    source: str
    """Whence it comes: ADDRESS:PORT."""
    addresses: tuple[str, ...]
    """Its own inside."""
    since: int
    """Seconds since the Unix epoch."""
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class ListVpnSessions(Effect[tuple[VpnSession, ...]]):
    """Those of all users, oldest client first. Fails where the server does not answer: then nothing is known."""

    reads: ClassVar[bool] = True
    socket: str


@dataclass(frozen=True, slots=True)
class EndVpnSessions(Effect[int]):
    """How many of this user's sessions it ended: all that there were, and their packets go nowhere from here on."""

    socket: str
    username: str

    def pretended(self) -> int:
        """None of them."""
        return 0
