"""Which of redundant peers has the prefixes that they share (H-53).

- Peers of a network with the same allowed IPs are a group, in the order of the file. At every moment one of them has
  the prefixes, as WireGuard knows one owner of a prefix; the others stand by without any, warm by their keepalive.
- One that stands by is healthy while a session can exist (a handshake within 180 s) and it is not silent.
- The owner has failed when it is silent, when its probe stopped answering for 15 s, when its first handshake did not
  come within 15 s, or when its session ended and no keepalive has brought another.
- A failed owner hands over at once to the first that is healthy, and stays owner if there is none.
- A preferred one has its prefixes back after 60 s of health. What a probe says of a peer is known only while it is the
  owner; so one whose probe failed is held back for 60 s, and twice as long each time while its probe stays silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from warren._core import PublicKey
from warren.tunnel.config import IPNetwork
from warren.tunnel.network import NetworkPeer
from warren.tunnel.peer_liveness import SILENCE_SECONDS, Liveness
from warren.tunnel.status import PeerStatus

BACK_AFTER_SECONDS = 60.0
MAX_HOLD_SECONDS = 3600.0  # so that a mended peer is not left out for longer than an hour
NO_ANSWERS: Mapping[PublicKey, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Group:
    """Peers that can stand in for one another, the preferred one first."""

    allowed_ips: frozenset[IPNetwork]
    members: tuple[PublicKey, ...]


def redundant_groups(peers: Sequence[NetworkPeer]) -> tuple[Group, ...]:
    """The groups of two or more, in the order of their first members."""
    found: dict[frozenset[IPNetwork], list[PublicKey]] = {}
    for peer in peers:
        if peer.allowed_ips:
            found.setdefault(frozenset(peer.allowed_ips), []).append(peer.public_key)
    return tuple(Group(prefixes, tuple(members)) for prefixes, members in found.items() if len(members) > 1)


@dataclass(slots=True)
class _Member:
    evidence: Liveness = field(default_factory=Liveness)
    answered_at: float | None = None
    healthy_since: float | None = None
    held_until: float = -math.inf
    hold_seconds: float = BACK_AFTER_SECONDS

    def observe(self, peer: PeerStatus | None, answered_at: float | None, now: float, wall: float) -> None:
        self.evidence = Liveness() if peer is None else self.evidence.after(peer, now, wall)
        if answered_at is not None and answered_at != self.answered_at:
            self.answered_at, self.hold_seconds = answered_at, BACK_AFTER_SECONDS
        if not self.evidence.is_fresh(now) or self.evidence.is_silent(now):
            self.healthy_since = None
        elif self.healthy_since is None:
            self.healthy_since = now

    def can_take_over(self, now: float) -> bool:
        return self.healthy_since is not None and now >= self.held_until

    def back_at(self) -> float | None:
        """From when on it has been healthy for long enough."""
        return None if self.healthy_since is None else max(self.healthy_since + BACK_AFTER_SECONDS, self.held_until)

    def hold(self, now: float) -> None:
        self.held_until = now + self.hold_seconds
        self.hold_seconds = min(2 * self.hold_seconds, MAX_HOLD_SECONDS)

    def deadlines(self) -> Iterator[float | None]:
        yield from (self.evidence.silent_at(), self.evidence.stale_at(), self.held_until)


class _Ownership:
    """One group, and who has its prefixes."""

    def __init__(self, group: Group, now: float) -> None:
        self.group = group
        self.owner = group.members[0]
        self.since = now
        self.members = {key: _Member() for key in group.members}

    def regroup(self, group: Group, now: float) -> None:
        self.group = group
        self.members = {key: self.members.get(key) or _Member() for key in group.members}
        if self.owner not in self.members:
            self._hand_over(group.members[0], now)

    def decide(self, now: float) -> None:
        owner = self.members[self.owner]
        if any(at is not None and now >= at for at in self._failures()):
            others = (key for key in self.group.members if key != self.owner)
            heir = next((key for key in others if self.members[key].can_take_over(now)), None)
            if heir is not None and _has_come(self._probe_fails_at(), now):
                owner.hold(now)
        else:
            heir = next((key for key in self._preferred() if _has_come(self.members[key].back_at(), now)), None)
        if heir is not None:
            self._hand_over(heir, now)

    def _hand_over(self, heir: PublicKey, now: float) -> None:
        self.owner, self.since = heir, now

    def _preferred(self) -> tuple[PublicKey, ...]:
        return self.group.members[: self.group.members.index(self.owner)]

    def _failures(self) -> Iterator[float | None]:
        """When the owner fails, unless something comes."""
        evidence = self.members[self.owner].evidence
        yield evidence.silent_at()
        yield self._probe_fails_at()
        if evidence.keepalive_seconds and evidence.began_at is not None:
            stale_at = evidence.stale_at()
            if stale_at is None:
                yield max(evidence.began_at, self.since) + SILENCE_SECONDS
            else:  # the next keepalive begins a handshake
                yield stale_at + evidence.keepalive_seconds + SILENCE_SECONDS

    def _probe_fails_at(self) -> float | None:
        answered_at = self.members[self.owner].answered_at
        return None if answered_at is None else max(answered_at, self.since) + SILENCE_SECONDS

    def deadlines(self) -> Iterator[float | None]:
        yield from self._failures()
        for member in self.members.values():
            yield from member.deadlines()
        yield from (self.members[key].back_at() for key in self._preferred())


def _has_come(at: float | None, now: float) -> bool:
    return at is not None and now >= at


class Failover:
    """The groups of a network. Times are monotonic seconds; the same calls give the same owners."""

    def __init__(self, groups: Sequence[Group], now: float) -> None:
        self._now = now
        self._ownerships = [_Ownership(group, now) for group in groups]

    def regroup(self, groups: Sequence[Group], now: float) -> None:
        """After a change of the network: an owner stays owner while its group has it and the same prefixes."""
        there = {ownership.group.allowed_ips: ownership for ownership in self._ownerships}
        self._now, self._ownerships = now, []
        for group in groups:
            ownership = there.get(group.allowed_ips) or _Ownership(group, now)
            ownership.regroup(group, now)
            self._ownerships.append(ownership)

    def observe(
        self, peers: Sequence[PeerStatus], now: float, wall: float, answered_at: Mapping[PublicKey, float] = NO_ANSWERS
    ) -> None:
        """Decides anew, by what the engine says of its peers; `wall` is `now` in seconds since the Unix epoch.

        `answered_at` says when the probe of a peer last answered, on the scale of `now`, for peers that are probed
        every few seconds while they are owners; one that never answered is not judged by it.
        """
        self._now = now
        there = {peer.public_key: peer for peer in peers}
        for ownership in self._ownerships:
            for key, member in ownership.members.items():
                member.observe(there.get(key), answered_at.get(key), now, wall)
            ownership.decide(now)

    def owners(self) -> tuple[PublicKey, ...]:
        """The owner of each group, in their order."""
        return tuple(ownership.owner for ownership in self._ownerships)

    def standing_by(self) -> frozenset[PublicKey]:
        """The members of all groups that have no prefixes now."""
        members = (key for ownership in self._ownerships for key in ownership.group.members)
        return frozenset(members).difference(self.owners())

    def next_deadline(self) -> float | None:
        """When `observe` may decide otherwise even if the engine says the same; None for never."""
        deadlines = (at for ownership in self._ownerships for at in ownership.deadlines())
        return min((at for at in deadlines if at is not None and at > self._now), default=None)
