"""When the names of endpoints are resolved, and how the answers are used (H-12).

- A name is resolved when the network connects, when the session with its peer has ended while traffic is wanted, when
  the peer is silent, and after a send that failed. Two attempts are 1 s to 60 s apart, doubling until the peer answers.
- A name that does not resolve leaves its peer pending, with the reason, and changes nothing else.
- Of several addresses the next one is tried after silence (address_attempts.py).
- An answer changes the endpoint of its own peer only, and not while handshakes succeed: then the peer is where it was
  last heard from. Only a new name in the configuration takes effect at once.
- An endpoint that is an address is its own answer, so a peer that roamed and fell silent is tried there again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from warren._core import PublicKey
from warren.backoff import BackoffPolicy
from warren.tunnel.address_attempts import AddressAttempts
from warren.tunnel.config import Endpoint, PeerConfig
from warren.tunnel.network import NetworkPeer
from warren.tunnel.peer_liveness import Liveness
from warren.tunnel.status import PeerStatus

RETRY = BackoffPolicy.exponential(1.0, 60.0)
"""The delays between two attempts without a handshake."""


@dataclass(frozen=True, slots=True)
class Question:
    """A name to resolve for one peer; the answer must name it."""

    peer: PublicKey
    endpoint: Endpoint


@dataclass(slots=True)
class _Search:
    """The search for the address of one peer."""

    endpoint: Endpoint
    liveness: Liveness = field(default_factory=Liveness)
    is_new: bool = False
    was_answered: bool = False
    asking: bool = False
    send_failed: bool = False
    lookups: int = 0
    """Without a handshake since."""
    not_before: float = -math.inf
    attempts: AddressAttempts = field(default_factory=AddressAttempts)
    is_wanted: bool = False
    """True while the engine does not have the address of `attempts` yet."""
    at: Endpoint | None = None
    """The endpoint that the engine has."""
    reason: str | None = None

    @property
    def address(self) -> Endpoint | None:
        """Return the address that the engine does not have yet."""
        return self.attempts.address if self.is_wanted else None

    def observe(self, peer: PeerStatus, now: float, wall: float) -> None:
        self.liveness = self.liveness.after(peer, now, wall)
        self.at = peer.endpoint
        if self.is_wanted and peer.endpoint == self.attempts.address:
            self.is_wanted = self.is_new = False
        if self.is_alive(now) and not self.is_new:
            self.is_wanted, self.reason = False, None
            self.lookups, self.not_before, self.send_failed = 0, -math.inf, False
            self.attempts.succeed(peer)
            return
        before = self.attempts.address
        self.attempts.observe(peer, now)
        self.is_wanted |= self.attempts.address != before

    def is_alive(self, now: float) -> bool:
        """Return True while handshakes succeed."""
        return self.liveness.is_fresh(now) and not self.liveness.is_silent(now)

    def due_at(self) -> float | None:
        """Return when to resolve; None while there is no reason to, and while an answer is awaited."""
        needed_at = min(self._needs(), default=None)
        return None if needed_at is None or self.asking else max(needed_at, self.not_before)

    def _needs(self) -> Iterator[float]:
        silent_at, stale_at = self.liveness.silent_at(), self.liveness.stale_at()
        if self.send_failed or (self.is_new and self.address is None):
            yield -math.inf
        if not self.was_answered:
            yield -math.inf if stale_at is None else stale_at
        if silent_at is not None:
            yield silent_at
        if stale_at is not None and self.liveness.keepalive_seconds:
            yield stale_at

    def ask(self, now: float, jitter: float) -> None:
        self.not_before = now + RETRY.delay_seconds(self.lookups, jitter)
        self.lookups += 1
        self.asking, self.send_failed = True, False

    def answer(self, addresses: tuple[Endpoint, ...], now: float) -> None:
        self.asking, self.was_answered, self.reason = False, True, None
        if self.is_new or not self.is_alive(now):
            self.attempts.offer(addresses, self.at if self.liveness.is_silent(now) else None, now)
            self.is_wanted = True


class Resolution:
    """The endpoints of one network. Times are monotonic seconds."""

    def __init__(self, peers: Sequence[NetworkPeer | PeerConfig]) -> None:
        self._searches = {peer.public_key: _Search(peer.endpoint) for peer in peers if peer.endpoint is not None}

    def change(self, peers: Sequence[NetworkPeer | PeerConfig]) -> None:
        """Apply another configuration: unchanged endpoints go on, a new one takes effect at once."""
        before, self._searches = self._searches, {}
        for peer in peers:
            if peer.endpoint is None:
                continue
            search = before.get(peer.public_key, _Search(peer.endpoint))
            if search.endpoint != peer.endpoint:
                search = _Search(peer.endpoint, liveness=search.liveness, is_new=True)
            self._searches[peer.public_key] = search

    def observe(self, peers: Sequence[PeerStatus], now: float, wall: float) -> None:
        """Take the status of the peers; `wall` is `now` in seconds since the Unix epoch.

        To be called after each change.
        """
        for peer in peers:
            search = self._searches.get(peer.public_key)
            if search is not None:
                search.observe(peer, now, wall)

    def send_failed(self, peer: PublicKey) -> None:
        """Record that a datagram to the peer could not be sent, or that its handshake was given up."""
        search = self._searches.get(peer)
        if search is not None:
            search.send_failed = True

    def take_questions(self, now: float, jitter: float) -> tuple[Question, ...]:
        """Return the names to resolve now, each to be answered by `answered` or `failed`; `jitter` is from [0, 1).

        Endpoints that are addresses need no lookup: `endpoints` has them at once.
        """
        questions: list[Question] = []
        for key, search in self._searches.items():
            due_at = search.due_at()
            if due_at is None or due_at > now:
                continue
            search.ask(now, jitter)
            if search.endpoint.is_address:
                search.answer((search.endpoint,), now)
            else:
                questions.append(Question(key, search.endpoint))
        return tuple(questions)

    def answered(self, question: Question, addresses: Sequence[Endpoint], now: float) -> None:
        """Record the addresses of a name, the best first. An answer that is no longer awaited is dropped."""
        search = self._asked(question)
        if search is not None:
            search.answer(tuple(addresses), now)

    def failed(self, question: Question, reason: str) -> None:
        """Record why a name does not resolve, as a sentence for a person."""
        search = self._asked(question)
        if search is not None:
            search.asking, search.reason = False, reason

    def _asked(self, question: Question) -> _Search | None:
        search = self._searches.get(question.peer)
        return search if search is not None and search.asking and search.endpoint == question.endpoint else None

    def endpoints(self) -> dict[PublicKey, Endpoint]:
        """Return the endpoints to set; every other peer keeps its endpoint."""
        return {key: search.address for key, search in self._searches.items() if search.address is not None}

    def pending(self) -> dict[PublicKey, str]:
        """Return the peers whose names did not resolve last time and that were not heard from since, and why."""
        return {key: search.reason for key, search in self._searches.items() if search.reason is not None}

    def tried(self) -> dict[PublicKey, tuple[Endpoint, ...]]:
        """Return the peers with several addresses that do not answer, each with the addresses that were tried."""
        several = ((key, search.attempts) for key, search in self._searches.items())
        return {key: attempts.tried for key, attempts in several if attempts.tried and len(attempts.addresses) > 1}

    def next_deadline(self) -> float | None:
        """Return when to observe and take questions again; None for not before something else happens."""
        deadlines = (
            at for search in self._searches.values() for at in (search.due_at(), search.attempts.next_deadline())
        )
        return min((at for at in deadlines if at is not None), default=None)
