"""The addresses of one endpoint, tried one after another until the peer answers.

A name may have several addresses, of which some do not lead to the peer: an IPv6 address without a path is the most
frequent. RFC 8305 orders them and starts an attempt beside the one before. WireGuard has one endpoint for a peer and
sends an initiation each 5 s, so here an attempt ends when something was sent to an address and nothing came back within
3 s. The next initiation then goes to the next address. A late answer still counts, as the engine takes the address that
it comes from. After each round without an answer an address is held twice as long, up to 60 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from warren.backoff import BackoffPolicy
from warren.tunnel.config import Endpoint
from warren.tunnel.status import PeerStatus

HOLD = BackoffPolicy.exponential(3.0, 60.0)
"""How long an address is held without an answer, in each round."""
POLL_SECONDS = 1.0
"""How often to see whether something was sent to a new address; the agent's own interval is 5 s."""
NEXT_INITIATION_SECONDS = 6.0
"""REKEY_TIMEOUT and its jitter (paper, section 6.4): until then something is sent to a new address, if ever."""
NOTHING_SENT_SECONDS = 10.0
"""With a keepalive something is sent within two initiations; if not, every send fails."""


@dataclass(slots=True)
class AddressAttempts:
    """The attempts for one peer. Times are monotonic seconds."""

    addresses: tuple[Endpoint, ...] = ()
    position: int = 0
    rounds: int = 0
    tried: tuple[Endpoint, ...] = ()
    """The addresses that had no answer since the last contact, in the order of the attempts."""
    _begun_at: float | None = None
    """When the address was chosen, or the peer fell silent there."""
    _sent_at: float | None = None
    """When it was first seen to have sent there without an answer."""
    _seen_at: float = 0.0
    _rx_bytes: int = 0
    _tx_bytes: int = 0
    """The count of bytes when the address was chosen, or when the last answer came."""
    _seen_tx_bytes: int = 0
    _keepalive: bool = False

    @property
    def address(self) -> Endpoint | None:
        """Return the address to use; None while no address is known."""
        return self.addresses[self.position] if self.addresses else None

    def offer(self, addresses: tuple[Endpoint, ...], silent: Endpoint | None, now: float) -> None:
        """Take the addresses of the endpoint, the best first; `silent` is one that has just had no answer.

        Attempts among the same addresses go on.
        """
        if self.tried and set(addresses) == set(self.addresses):
            return
        if silent in addresses and silent not in self.tried:
            self.tried = (*self.tried, silent)
        untried = (number for number, address in enumerate(addresses) if address not in self.tried)
        self.addresses, self.rounds = addresses, 0
        self._use(next(untried, 0), now)

    def observe(self, peer: PeerStatus, now: float) -> None:
        """Take the status of a peer that has not answered yet, and move to the next address if it is time."""
        sent, answered = peer.tx_bytes > self._tx_bytes, peer.rx_bytes != self._rx_bytes
        self._seen_at, self._rx_bytes, self._seen_tx_bytes = now, peer.rx_bytes, peer.tx_bytes
        self._keepalive = peer.persistent_keepalive_seconds > 0
        if self._begun_at is None:
            self._begun_at = now
        if peer.endpoint != self.address:
            self._tx_bytes = peer.tx_bytes
        elif answered:
            self._sent_at, self._tx_bytes = None, peer.tx_bytes
        elif sent and self._sent_at is None:
            self._sent_at = now
        due_at = self._due_at()
        if due_at is not None and now >= due_at:
            self._next(now)

    def succeed(self, peer: PeerStatus) -> None:
        """Record that the peer answers."""
        self.rounds, self.tried = 0, ()
        if peer.endpoint in self.addresses:
            self.position = self.addresses.index(peer.endpoint)
        self._begun_at = self._sent_at = None
        self._rx_bytes, self._tx_bytes, self._seen_tx_bytes = peer.rx_bytes, peer.tx_bytes, peer.tx_bytes

    def next_deadline(self) -> float | None:
        """Return when to observe the peer again; None for not before something else happens."""
        return min((at for at in self._deadlines() if at > self._seen_at), default=None)

    def _deadlines(self) -> Iterator[float]:
        due_at = self._due_at()
        if due_at is not None:
            yield due_at
        if self._begun_at is None or self._sent_at is not None or len(self.addresses) < 2:
            return
        if self._seen_at < self._begun_at + NEXT_INITIATION_SECONDS:
            yield max(self._begun_at, self._seen_at) + POLL_SECONDS

    def _due_at(self) -> float | None:
        """Return when the next address has its turn."""
        if len(self.addresses) < 2 or self._begun_at is None:
            return None
        hold = HOLD.delay_seconds(self.rounds, 0.0)
        if self._sent_at is not None:
            return self._sent_at + hold
        return self._begun_at + max(hold, NOTHING_SENT_SECONDS) if self._keepalive else None

    def _next(self, now: float) -> None:
        address = self.address
        if address is not None and address not in self.tried:
            self.tried = (*self.tried, address)
        self.rounds += self.position == len(self.addresses) - 1
        self._use((self.position + 1) % len(self.addresses), now)

    def _use(self, position: int, now: float) -> None:
        self.position = position
        self._begun_at, self._sent_at, self._tx_bytes = now, None, self._seen_tx_bytes
