"""The ordered difference between the desired and the observed state of an interface.

`plan()` is pure; `tunnel/io/apply.py` applies its steps. Removals come first, and routes last, when everything that
they lead to is ready. A policy rule or a guard is added after its default route and removed before it, so a rule
without such a route belongs to an interface that is gone. An unchanged peer is not named, so its session survives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from warren._core import PresharedKey, PrivateKey, PublicKey
from warren.tunnel.config import Endpoint, InterfaceConfig, IPInterface, IPNetwork, PeerConfig
from warren.tunnel.nft_guard import Guard, guards_for
from warren.tunnel.routes import Route, Rule, policy_table, routes_for, rules_for
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus


@dataclass(frozen=True, slots=True)
class CreateInterface:
    """Create the link and start its engine."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveInterface:
    """Stop the engine and delete its link; addresses and routes go with it, rules do not."""

    name: str


@dataclass(frozen=True, slots=True)
class PeerChange:
    """The change of one peer; None leaves a field as it is. An unknown peer is created."""

    public_key: PublicKey
    remove: bool = False
    """Removes the peer; all other fields are then ignored."""
    preshared_key: PresharedKey | None = None
    """`PresharedKey.none()` removes it."""
    endpoint: Endpoint | None = None
    """An address; a name is refused."""
    allowed_ips: tuple[IPNetwork, ...] | None = None
    """The whole list."""
    persistent_keepalive_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """The change of the engine, whole or not at all; None leaves a field as it is."""

    private_key: PrivateKey | None = None
    listen_port: int | None = None
    fwmark: int | None = None
    peers: tuple[PeerChange, ...] = ()


@dataclass(frozen=True, slots=True)
class SetMtu:
    """Set the size of the largest packet inside the tunnel, in bytes."""

    mtu: int


@dataclass(frozen=True, slots=True)
class AddAddress:
    """Add an address to the link."""

    address: IPInterface


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Remove an address from the link."""

    address: IPInterface


@dataclass(frozen=True, slots=True)
class SetUp:
    """Set the link up."""


@dataclass(frozen=True, slots=True)
class AddRoute:
    """Add a route into the link."""

    route: Route


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Remove a route into the link."""

    route: Route


@dataclass(frozen=True, slots=True)
class AddRule:
    """Add a policy rule."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class RemoveRule:
    """Remove a policy rule."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class SetGuard:
    """Set the guard of a default route, replacing the one of that version of IP."""

    guard: Guard


@dataclass(frozen=True, slots=True)
class RemoveGuard:
    """Remove the guard of a default route."""

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
    """Return the steps from `observed` to `desired`; None stands for an interface that does not exist.

    Raises ValueError for different names: an interface is not renamed.
    """
    if desired is None:
        if observed is None:
            return ()
        return (*_rules_to_remove((), observed), *_guards_to_remove((), observed), RemoveInterface(observed.name))
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
    yield from _rules_to_remove(rules, observed)
    guards = guards_for(desired) if observed.guards is not None else ()
    yield from _guards_to_remove(guards, observed)
    yield from (RemoveRoute(route) for route in link.routes if route in unwanted)
    wanted, assigned = set(desired.addresses), set(link.addresses)
    yield from (RemoveAddress(address) for address in link.addresses if _must_remove(address, wanted))
    change = _engine_change(desired, observed)
    if change != InterfaceChange():
        yield change
    if link.mtu != desired.mtu:
        yield SetMtu(desired.mtu)
    yield from (AddAddress(address) for address in desired.addresses if address not in assigned)
    if not link.up:
        yield SetUp()
    yield from (AddRoute(route) for route in routes if route not in present)
    yield from (SetGuard(guard) for guard in guards if guard not in (observed.guards or ()))
    yield from (AddRule(rule) for rule in rules if rule not in observed.rules)


def _rules_to_remove(wanted: tuple[Rule, ...], observed: InterfaceStatus) -> Iterator[RemoveRule]:
    """Yield the rules to remove, the last one first.

    Without the rule before it, it would take packets that have a better route.
    """
    unwanted = (rule for rule in observed.rules if rule not in wanted)
    yield from (RemoveRule(rule) for rule in sorted(unwanted, key=lambda rule: -rule.priority))


def _guards_to_remove(wanted: tuple[Guard, ...], observed: InterfaceStatus) -> Iterator[RemoveGuard]:
    """Yield the guards to remove; a guard that only changes is set anew."""
    versions = {guard.version for guard in wanted}
    existing = (guard for guard in observed.guards or () if guard.version not in versions)
    yield from (RemoveGuard(guard.link, guard.version) for guard in existing)


def _must_remove(address: IPInterface, wanted: Collection[IPInterface]) -> bool:
    # The kernel gives an IPv6 link a link-local address of its own (RFC 4862, section 5.3).
    made_by_the_kernel = address.version == 6 and address.is_link_local
    return address not in wanted and not made_by_the_kernel


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
    existing = {peer.public_key: peer for peer in observed.peers}
    wanted = {peer.public_key for peer in desired.peers}
    yield from (PeerChange(key, remove=True) for key in existing if key not in wanted)
    for peer in desired.peers:
        before = existing.get(peer.public_key)
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


def _preshared_change(wanted: PresharedKey | None, present: PresharedKey | None) -> PresharedKey | None:
    none = PresharedKey.none()
    wanted, present = none if wanted is None else wanted, none if present is None else present
    return wanted if wanted != present else None
