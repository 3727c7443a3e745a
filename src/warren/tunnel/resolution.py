"""When the names of endpoints are asked again, and what becomes of the answers (H-12).

- A name is asked when the network connects, when the session with its peer has ended while traffic is wanted, when the
  peer is silent, and after a send that failed; between two questions are 1 s to 60 s, doubling, until the peer answers.
- A name that does not resolve leaves its peer pending, with the reason, and takes nothing from it.
- An answer changes the endpoint of its own peer alone, and not even that while handshakes succeed: then the peer is
  where it was last heard from. Only a new name in the configuration counts at once.
- An endpoint that is an address is its own answer, so a peer that roamed and fell silent is looked for there again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from warren._core import PublicKey
from warren.backoff import BackoffPolicy
from warren.tunnel.config import Endpoint
from warren.tunnel.network import NetworkPeer
from warren.tunnel.peer_liveness import Liveness
from warren.tunnel.status import PeerStatus

RETRY = BackoffPolicy.exponential(1.0, 60.0)
"""Between two questions without a handshake."""


@dataclass(frozen=True, slots=True)
class Question:
    """Where is this endpoint? Asked for one peer; the answer must name it."""

    peer: PublicKey
    endpoint: Endpoint


@dataclass(slots=True)
class _Search:
    """For the address of one peer."""

    endpoint: Endpoint
    evidence: Liveness = field(default_factory=Liveness)
    configured_anew: bool = False
    answered: bool = False
    asking: bool = False
    send_failed: bool = False
    attempts: int = 0
    not_before: float = -math.inf
    found: Endpoint | None = None
    """What the engine is still to be told."""
    reason: str | None = None

    def observe(self, peer: PeerStatus, now: float, wall: float) -> None:
        self.evidence = self.evidence.after(peer, now, wall)
        if self.found is not None and peer.endpoint == self.found:
            self.found, self.configured_anew = None, False
        if self.is_well(now) and not self.configured_anew:
            self.found = self.reason = None
            self.attempts, self.not_before, self.send_failed = 0, -math.inf, False

    def is_well(self, now: float) -> bool:
        """True while handshakes succeed."""
        return self.evidence.is_fresh(now) and not self.evidence.is_silent(now)

    def due_at(self) -> float | None:
        """When to ask; None while nothing calls for it, and while the answer is awaited."""
        needed_at = min(self._needs(), default=None)
        return None if needed_at is None or self.asking else max(needed_at, self.not_before)

    def _needs(self) -> Iterator[float]:
        silent_at, stale_at = self.evidence.silent_at(), self.evidence.stale_at()
        if self.send_failed or (self.configured_anew and self.found is None):
            yield -math.inf
        if not self.answered:
            yield -math.inf if stale_at is None else stale_at
        if silent_at is not None:
            yield silent_at
        if stale_at is not None and self.evidence.keepalive_seconds:
            yield stale_at

    def ask(self, now: float, jitter: float) -> None:
        self.not_before = now + RETRY.delay_seconds(self.attempts, jitter)
        self.attempts += 1
        self.asking, self.send_failed = True, False

    def answer(self, address: Endpoint, now: float) -> None:
        self.asking, self.answered, self.reason = False, True, None
        if self.configured_anew or not self.is_well(now):
            self.found = address


class Resolution:
    """The endpoints of one network. Times are monotonic seconds."""

    def __init__(self, peers: Sequence[NetworkPeer]) -> None:
        self._searches = {peer.public_key: _Search(peer.endpoint) for peer in peers if peer.endpoint is not None}

    def change(self, peers: Sequence[NetworkPeer]) -> None:
        """After a change of the configuration: what did not change goes on, a new endpoint counts at once."""
        before, self._searches = self._searches, {}
        for peer in peers:
            if peer.endpoint is None:
                continue
            search = before.get(peer.public_key, _Search(peer.endpoint))
            if search.endpoint != peer.endpoint:
                search = _Search(peer.endpoint, evidence=search.evidence, configured_anew=True)
            self._searches[peer.public_key] = search

    def observe(self, peers: Sequence[PeerStatus], now: float, wall: float) -> None:
        """What the engine says; `wall` is `now` in seconds since the Unix epoch. To be told after each change of it."""
        for peer in peers:
            search = self._searches.get(peer.public_key)
            if search is not None:
                search.observe(peer, now, wall)

    def send_failed(self, peer: PublicKey) -> None:
        """A datagram to the peer could not be sent, or its handshake was given up."""
        search = self._searches.get(peer)
        if search is not None:
            search.send_failed = True

    def take_questions(self, now: float, jitter: float) -> tuple[Question, ...]:
        """What to ask now, each to be answered by `answered` or `failed`; `jitter` is from [0, 1).

        Endpoints that are addresses are not asked for: `endpoints` has them at once.
        """
        questions: list[Question] = []
        for key, search in self._searches.items():
            due_at = search.due_at()
            if due_at is None or due_at > now:
                continue
            search.ask(now, jitter)
            if search.endpoint.is_address:
                search.answer(search.endpoint, now)
            else:
                questions.append(Question(key, search.endpoint))
        return tuple(questions)

    def answered(self, question: Question, address: Endpoint, now: float) -> None:
        """The name has this address. An answer that nobody waits for any more is forgotten."""
        search = self._asked(question)
        if search is not None:
            search.answer(address, now)

    def failed(self, question: Question, reason: str) -> None:
        """The name does not resolve, in a sentence for a person."""
        search = self._asked(question)
        if search is not None:
            search.asking, search.reason = False, reason

    def _asked(self, question: Question) -> _Search | None:
        search = self._searches.get(question.peer)
        return search if search is not None and search.asking and search.endpoint == question.endpoint else None

    def endpoints(self) -> dict[PublicKey, Endpoint]:
        """What the engine is to be told; every other peer keeps the endpoint that it has."""
        return {key: search.found for key, search in self._searches.items() if search.found is not None}

    def pending(self) -> dict[PublicKey, str]:
        """The peers whose names did not resolve when last asked and that have not been heard from since, and why."""
        return {key: search.reason for key, search in self._searches.items() if search.reason is not None}

    def next_deadline(self) -> float | None:
        """When to take questions again; None for not before something is observed."""
        return min((at for search in self._searches.values() if (at := search.due_at()) is not None), default=None)
