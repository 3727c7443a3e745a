"""A peer as its engine sees it, second by second: what WireGuard sends by itself, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from warren._core import PublicKey
from warren.tunnel.config import Endpoint
from warren.tunnel.status import PeerStatus

INITIATION, RESPONSE, KEEPALIVE, DATA = 148, 92, 32, 128


@dataclass
class Faraway:
    """Times are seconds of a clock that never goes back."""

    key: PublicKey
    keepalive: int = 25
    endpoint: Endpoint | None = None
    rx: int = 0
    tx: int = 0
    latest_handshake: float | None = None
    session_at: float | None = None
    sent_at: float = -1000.0
    waiting_since: float | None = None
    initiated_at: float | None = None
    attempts_from: float | None = None

    def status(self) -> PeerStatus:
        return PeerStatus(
            self.key,
            endpoint=self.endpoint,
            persistent_keepalive_seconds=self.keepalive,
            latest_handshake=self.latest_handshake,
            rx_bytes=self.rx,
            tx_bytes=self.tx,
        )

    def second(self, now: float, wall: float, *, reached: bool, data: bool) -> None:
        """One second: `data` if packets of the host are for it."""
        due = self.keepalive > 0 and now - self.sent_at >= self.keepalive
        if data or due:
            self._send(now, DATA if data else KEEPALIVE, reached=reached, data=data)
        if self.waiting_since is not None and now - self.waiting_since >= 15:
            self._begin(now)
        self._handshake(now, wall, reached=reached)

    def _send(self, now: float, octets: int, *, reached: bool, data: bool) -> None:
        age = None if self.session_at is None else now - self.session_at
        if age is None or age >= 120:
            self._begin(now)
        if age is None or age >= 180:
            return
        self.tx += octets
        self.sent_at = now
        if data and reached:
            self.rx += octets
            self.waiting_since = None
        elif data and self.waiting_since is None:
            self.waiting_since = now

    def _begin(self, now: float) -> None:
        if self.attempts_from is None:
            self.attempts_from = now

    def _handshake(self, now: float, wall: float, *, reached: bool) -> None:
        if self.attempts_from is None or self.endpoint is None:
            return
        if now - self.attempts_from >= 90:  # REKEY_ATTEMPT_TIME
            self.attempts_from = self.waiting_since = None
            return
        if self.initiated_at is not None and now - self.initiated_at < 5:
            return
        self.initiated_at = now
        self.tx += INITIATION
        if reached:
            self.rx += RESPONSE
            self.tx += KEEPALIVE
            self.session_at, self.latest_handshake, self.sent_at = now, wall, now
            self.attempts_from = self.waiting_since = None
