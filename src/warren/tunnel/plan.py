"""The ordered difference between what an interface should be and what it is.

`plan()` is pure; `tunnel/io/apply.py` carries its steps out. What goes, goes first; routes come last, when all that
they lead to is ready. A policy rule or a guard comes after its default route and goes before it, so one without such a
route is one whose interface is gone. A peer in which nothing differs is not named, so its session survives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from warren._core import PresharedKey, PrivateKey, PublicKey
from warren.tunnel.config import Endpoint, InterfaceConfig, IPInterface, IPNetwork, PeerConfig
from warren.tunnel.nft_guard import Guard, guards_for
from warren.tunnel.routes import Route, Rule, policy_table, routes_for, rules_for
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus


@dataclass(frozen=True, slots=True)
class CreateInterface:
    """Make the link and start its engine."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveInterface:
    """End the engine and its link; addresses and routes go with it, rules do not."""

    name: str


@dataclass(frozen=True, slots=True)
class PeerChange:
    """What changes in one peer; None is "as it is". A peer that is not there is made."""

    public_key: PublicKey
    remove: bool = False
    """Takes the peer away; all else is then ignored."""
    preshared_key: PresharedKey | None = None
    """`PresharedKey.none()` takes it away."""
    endpoint: Endpoint | None = None
    """An address; a name is refused."""
    allowed_ips: tuple[IPNetwork, ...] | None = None
    """All of them."""
    persistent_keepalive_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """What changes in the engine, whole or not at all; None is "as it is"."""

    private_key: PrivateKey | None = None
    listen_port: int | None = None
    fwmark: int | None = None
    peers: tuple[PeerChange, ...] = ()


@dataclass(frozen=True, slots=True)
class SetMtu:
    """Octets of the largest packet inside the tunnel."""

    mtu: int


@dataclass(frozen=True, slots=True)
class AddAddress:
    """Give the link an address."""

    address: IPInterface


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Take an address away."""

    address: IPInterface


@dataclass(frozen=True, slots=True)
class SetUp:
    """Set the link up."""


@dataclass(frozen=True, slots=True)
class AddRoute:
    """Lead packets into the link."""

    route: Route


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Lead them there no more."""

    route: Route


@dataclass(frozen=True, slots=True)
class AddRule:
    """Have packets look for a route in another table."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class RemoveRule:
    """Have them look there no more."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class SetGuard:
    """Have a guard before a default route, in the place of the one that is there for that version of IP."""

    guard: Guard


@dataclass(frozen=True, slots=True)
class RemoveGuard:
    """Have none there."""

    link: str
    version: int


Step = (
    CreateInterface
    | RemoveInterface
    | InterfaceChange
    | SetMtu
    | AddAddress
    | RemoveAddress
    | SetUp
    | AddRoute
    | RemoveRoute
    | AddRule
    | RemoveRule
    | SetGuard
    | RemoveGuard
)


def plan(desired: InterfaceConfig | None, observed: InterfaceStatus | None) -> tuple[Step, ...]:
    """The steps from `observed` to `desired`; none if there is no difference. None stands for "no such interface".

    Raises ValueError for two names: an interface is not renamed.
    """
    if desired is None:
        if observed is None:
            return ()
        return (*_rules_to_go((), observed), *_guards_to_go((), observed), RemoveInterface(observed.name))
    if observed is None:
        return (CreateInterface(desired.name), *_difference(desired, InterfaceStatus(desired.name)))
    if observed.name != desired.name:
        raise ValueError(f"{observed.name} cannot become {desired.name}")
    return tuple(_difference(desired, observed))


def _difference(desired: InterfaceConfig, observed: InterfaceStatus) -> Iterator[Step]:
    link = observed.link or LinkStatus(up=False, mtu=0)
    routes, present = routes_for(desired), set(link.routes)
    rules = rules_for(desired)
    unwanted = present.difference(routes)
    yield from _rules_to_go(rules, observed)
    guards = guards_for(desired) if observed.guards is not None else ()
    yield from _guards_to_go(guards, observed)
    yield from (RemoveRoute(route) for route in link.routes if route in unwanted)
    yield from (RemoveAddress(address) for address in link.addresses if _is_to_go(address, desired))
    change = _engine_change(desired, observed)
    if change != InterfaceChange():
        yield change
    if link.mtu != desired.mtu:
        yield SetMtu(desired.mtu)
    yield from (AddAddress(address) for address in desired.addresses if address not in link.addresses)
    if not link.up:
        yield SetUp()
    yield from (AddRoute(route) for route in routes if route not in present)
    yield from (SetGuard(guard) for guard in guards if guard not in (observed.guards or ()))
    yield from (AddRule(rule) for rule in rules if rule not in observed.rules)


def _rules_to_go(wanted: tuple[Rule, ...], observed: InterfaceStatus) -> Iterator[RemoveRule]:
    """The last one asked goes first: without the one before it, it would take packets that have a better route."""
    unwanted = (rule for rule in observed.rules if rule not in wanted)
    yield from (RemoveRule(rule) for rule in sorted(unwanted, key=lambda rule: -rule.priority))


def _guards_to_go(wanted: tuple[Guard, ...], observed: InterfaceStatus) -> Iterator[RemoveGuard]:
    """One that is only to be another is set anew."""
    versions = {guard.version for guard in wanted}
    there = (guard for guard in observed.guards or () if guard.version not in versions)
    yield from (RemoveGuard(guard.link, guard.version) for guard in there)


def _is_to_go(address: IPInterface, desired: InterfaceConfig) -> bool:
    # A link that speaks IPv6 has an address of its own making (RFC 4862, section 5.3): the kernel's, not ours.
    made_by_the_kernel = address.version == 6 and address.is_link_local
    return address not in desired.addresses and not made_by_the_kernel


def _engine_change(desired: InterfaceConfig, observed: InterfaceStatus) -> InterfaceChange:
    new_key = desired.private_key.public_key() != observed.public_key
    new_port = desired.listen_port not in (0, observed.listen_port)
    mark = policy_table(desired) or desired.fwmark
    return InterfaceChange(
        private_key=desired.private_key if new_key else None,
        listen_port=desired.listen_port if new_port else None,
        fwmark=mark if mark != observed.fwmark else None,
        peers=tuple(_peer_changes(desired, observed)),
    )


def _peer_changes(desired: InterfaceConfig, observed: InterfaceStatus) -> Iterator[PeerChange]:
    there = {peer.public_key: peer for peer in observed.peers}
    wanted = {peer.public_key for peer in desired.peers}
    yield from (PeerChange(key, remove=True) for key in there if key not in wanted)
    for peer in desired.peers:
        before = there.get(peer.public_key)
        change = _peer_change(peer, before or PeerStatus(peer.public_key))
        if before is None or change != PeerChange(peer.public_key):
            yield change


def _peer_change(peer: PeerConfig, before: PeerStatus) -> PeerChange:
    keepalive = peer.persistent_keepalive_seconds
    return PeerChange(
        peer.public_key,
        preshared_key=_preshared_change(peer.preshared_key, before.preshared_key),
        endpoint=peer.endpoint if peer.endpoint != before.endpoint else None,
        allowed_ips=peer.allowed_ips if set(peer.allowed_ips) != set(before.allowed_ips) else None,
        persistent_keepalive_seconds=keepalive if keepalive != before.persistent_keepalive_seconds else None,
    )


def _preshared_change(wanted: PresharedKey | None, there: PresharedKey | None) -> PresharedKey | None:
    none = PresharedKey.none()
    wanted, there = none if wanted is None else wanted, none if there is None else there
    return wanted if wanted != there else None
