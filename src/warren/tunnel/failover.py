"""Failover between redundant peers that share prefixes (H-53).

- Peers of a network with the same allowed IPs are a group, in the order of the file. One of them owns the prefixes at a
  time, as WireGuard has one owner of a prefix. The others stand by without any, and their keepalive keeps a session.
- A peer that stands by is healthy while a session can exist (a handshake within 180 s) and it is not silent.
- The owner has failed when it is silent, when its probe stopped answering for 15 s, when its first handshake did not
  come within 15 s, or when its session ended and no keepalive started another one.
- A failed owner is replaced at once by the first healthy peer, and stays owner if there is none.
- A preferred peer gets its prefixes back after 60 s of health. Its probe is only measured while it is the owner, so a
  peer whose probe failed is held back for 60 s, and twice as long each time while its probe stays silent.
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
MAX_HOLD_SECONDS = 3600.0  # a repaired peer is held back for an hour at most
NO_ANSWERS: Mapping[PublicKey, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Group:
    """Redundant peers, the preferred one first."""

    allowed_ips: frozenset[IPNetwork]
    members: tuple[PublicKey, ...]


def redundant_groups(peers: Sequence[NetworkPeer]) -> tuple[Group, ...]:
    """Return the groups of two or more peers, in the order of their first members."""
    groups: dict[frozenset[IPNetwork], list[PublicKey]] = {}
    for peer in peers:
        if peer.allowed_ips:
            groups.setdefault(frozenset(peer.allowed_ips), []).append(peer.public_key)
    return tuple(Group(prefixes, tuple(members)) for prefixes, members in groups.items() if len(members) > 1)


@dataclass(slots=True)
class _Member:
    liveness: Liveness = field(default_factory=Liveness)
    answered_at: float | None = None
    healthy_since: float | None = None
    held_until: float = -math.inf
    hold_seconds: float = BACK_AFTER_SECONDS

    def observe(self, peer: PeerStatus | None, answered_at: float | None, now: float, wall: float) -> None:
        self.liveness = Liveness() if peer is None else self.liveness.after(peer, now, wall)
        if answered_at is not None and answered_at != self.answered_at:
            self.answered_at, self.hold_seconds = answered_at, BACK_AFTER_SECONDS
        if not self.liveness.is_fresh(now) or self.liveness.is_silent(now):
            self.healthy_since = None
        elif self.healthy_since is None:
            self.healthy_since = now

    def can_take_over(self, now: float) -> bool:
        return self.healthy_since is not None and now >= self.held_until

    def back_at(self) -> float | None:
        """Return when it will have been healthy for long enough."""
        return None if self.healthy_since is None else max(self.healthy_since + BACK_AFTER_SECONDS, self.held_until)

    def hold(self, now: float) -> None:
        self.held_until = now + self.hold_seconds
        self.hold_seconds = min(2 * self.hold_seconds, MAX_HOLD_SECONDS)

    def deadlines(self) -> Iterator[float | None]:
        yield from (self.liveness.silent_at(), self.liveness.stale_at(), self.held_until)


class _Ownership:
    """One group, and the current owner of its prefixes."""

    def __init__(self, group: Group, now: float) -> None:
        self.group = group
        self.owner = group.members[0]
        self.since = now
        self.members = {key: _Member() for key in group.members}

    def regroup(self, group: Group, now: float) -> None:
        self.group = group
        self.members = {key: self.members.get(key) or _Member() for key in group.members}
        if self.owner not in self.members:
            self._transfer(group.members[0], now)

    def decide(self, now: float) -> None:
        owner = self.members[self.owner]
        if any(at is not None and now >= at for at in self._failures()):
            others = (key for key in self.group.members if key != self.owner)
            successor = next((key for key in others if self.members[key].can_take_over(now)), None)
            if successor is not None and _is_past(self._probe_fails_at(), now):
                owner.hold(now)
        else:
            successor = next((key for key in self._preferred() if _is_past(self.members[key].back_at(), now)), None)
        if successor is not None:
            self._transfer(successor, now)

    def _transfer(self, successor: PublicKey, now: float) -> None:
        self.owner, self.since = successor, now

    def _preferred(self) -> tuple[PublicKey, ...]:
        return self.group.members[: self.group.members.index(self.owner)]

    def _failures(self) -> Iterator[float | None]:
        """Yield the times at which the owner fails, unless something is received before."""
        liveness = self.members[self.owner].liveness
        yield liveness.silent_at()
        yield self._probe_fails_at()
        if liveness.keepalive_seconds and liveness.began_at is not None:
            stale_at = liveness.stale_at()
            if stale_at is None:
                yield max(liveness.began_at, self.since) + SILENCE_SECONDS
            else:  # the next keepalive starts a handshake
                yield stale_at + liveness.keepalive_seconds + SILENCE_SECONDS

    def _probe_fails_at(self) -> float | None:
        answered_at = self.members[self.owner].answered_at
        return None if answered_at is None else max(answered_at, self.since) + SILENCE_SECONDS

    def deadlines(self) -> Iterator[float | None]:
        yield from self._failures()
        for member in self.members.values():
            yield from member.deadlines()
        yield from (self.members[key].back_at() for key in self._preferred())


def _is_past(at: float | None, now: float) -> bool:
    return at is not None and now >= at


class Failover:
    """The groups of a network. Times are monotonic seconds; the same calls give the same owners."""

    def __init__(self, groups: Sequence[Group], now: float) -> None:
        self._now = now
        self._ownerships = [_Ownership(group, now) for group in groups]

    def regroup(self, groups: Sequence[Group], now: float) -> None:
        """Apply a change of the network: an owner stays owner while its group contains it and has the same prefixes."""
        former = {ownership.group.allowed_ips: ownership for ownership in self._ownerships}
        self._now, self._ownerships = now, []
        for group in groups:
            ownership = former.get(group.allowed_ips) or _Ownership(group, now)
            ownership.regroup(group, now)
            self._ownerships.append(ownership)

    def observe(
        self, peers: Sequence[PeerStatus], now: float, wall: float, answered_at: Mapping[PublicKey, float] = NO_ANSWERS
    ) -> None:
        """Decide anew from the status of the peers; `wall` is `now` in seconds since the Unix epoch.

        `answered_at` is when the probe of a peer last answered, on the scale of `now`, for peers that are probed every
        few seconds while they are owners. A peer that never answered is not judged by it.
        """
        self._now = now
        by_key = {peer.public_key: peer for peer in peers}
        for ownership in self._ownerships:
            for key, member in ownership.members.items():
                member.observe(by_key.get(key), answered_at.get(key), now, wall)
            ownership.decide(now)

    def owners(self) -> tuple[PublicKey, ...]:
        """Return the owner of each group, in their order."""
        return tuple(ownership.owner for ownership in self._ownerships)

    def standing_by(self) -> frozenset[PublicKey]:
        """Return the members of all groups that have no prefixes now."""
        members = (key for ownership in self._ownerships for key in ownership.group.members)
        return frozenset(members).difference(self.owners())

    def next_deadline(self) -> float | None:
        """Return when `observe` may decide otherwise with an unchanged status; None for never."""
        deadlines = (at for ownership in self._ownerships for at in ownership.deadlines())
        return min((at for at in deadlines if at is not None and at > self._now), default=None)
