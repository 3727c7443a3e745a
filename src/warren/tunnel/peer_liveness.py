"""The liveness of a peer, from successive observations of its counters.

WireGuard never answers a keepalive. Everything else is answered within KEEPALIVE_TIMEOUT, 10 s: data by data or a
keepalive, an initiation by a response (paper, section 6.5). So a peer is silent if more than keepalives was sent and
nothing authenticated came back for 15 s, when WireGuard itself starts a new handshake. Bytes that an engine counts as
received are authentic. A handshake is timed by its observation, so a change of the wall clock makes no peer older or
younger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from warren.tunnel.status import SESSION_SECONDS, PeerStatus

PASSIVE_SECONDS = 10  # KEEPALIVE_TIMEOUT
SILENCE_SECONDS = 15.0  # KEEPALIVE_TIMEOUT + REKEY_TIMEOUT
KEEPALIVE_BYTES = 32  # a header of 16 and a tag of 16 without payload


@dataclass(frozen=True, slots=True)
class Liveness:
    """The liveness of one peer. Times are monotonic seconds; None is never."""

    began_at: float | None = None
    """When it was first observed, or its counters were reset."""
    seen_at: float | None = None
    rx_bytes: int = 0
    tx_bytes: int = 0
    keepalive_seconds: int = 0
    unanswered_since: float | None = None
    """When something was sent that requires an answer, if nothing was received since."""
    latest_handshake: float | None = None
    """The engine's time of the last handshake, by the wall clock."""
    handshake_at: float | None = None

    def after(self, peer: PeerStatus, now: float, wall: float) -> Liveness:
        """Return the liveness after an observation.

        `wall` is `now` in seconds since the Unix epoch.
        """
        if peer.rx_bytes < self.rx_bytes or peer.tx_bytes < self.tx_bytes:  # another engine, or a new peer
            return Liveness().after(peer, now, wall)
        return replace(
            self,
            began_at=now if self.began_at is None else self.began_at,
            seen_at=now,
            rx_bytes=peer.rx_bytes,
            tx_bytes=peer.tx_bytes,
            keepalive_seconds=peer.persistent_keepalive_seconds,
            unanswered_since=self._unanswered_since(peer, now),
            latest_handshake=peer.latest_handshake,
            handshake_at=self._handshake_at(peer, now, wall),
        )

    def _unanswered_since(self, peer: PeerStatus, now: float) -> float | None:
        if peer.rx_bytes > self.rx_bytes:
            return None
        if self.unanswered_since is None and self._wants_answer(peer, now):
            return now
        return self.unanswered_since

    def _wants_answer(self, peer: PeerStatus, now: float) -> bool:
        """Return True if more was sent since the last observation than the keepalives that can be in it."""
        interval = min(peer.persistent_keepalive_seconds or PASSIVE_SECONDS, PASSIVE_SECONDS)
        elapsed = 0.0 if self.seen_at is None else now - self.seen_at
        keepalives = 1 + int(elapsed // interval)
        return peer.tx_bytes - self.tx_bytes > keepalives * KEEPALIVE_BYTES

    def _handshake_at(self, peer: PeerStatus, now: float, wall: float) -> float | None:
        age = peer.handshake_age_seconds(wall)
        if age is None or peer.latest_handshake == self.latest_handshake:
            return None if age is None else self.handshake_at
        return now - (age if self.seen_at is None else min(age, now - self.seen_at))

    def silent_at(self) -> float | None:
        """Return when it counts as silent, unless something is received before; None for never."""
        return None if self.unanswered_since is None else self.unanswered_since + SILENCE_SECONDS

    def is_silent(self, now: float) -> bool:
        """Return True if data that was sent had no answer for 15 s."""
        at = self.silent_at()
        return at is not None and now >= at

    def stale_at(self) -> float | None:
        """Return when its session has ended for certain, unless there is a handshake; None without a session."""
        return None if self.handshake_at is None else self.handshake_at + SESSION_SECONDS

    def is_fresh(self, now: float) -> bool:
        """Return True while a session with it can exist."""
        at = self.stale_at()
        return at is not None and now < at
