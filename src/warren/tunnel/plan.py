"""The ordered difference between the desired and the observed state of an interface.

`plan()` is pure; `tunnel/io/apply.py` applies its steps. An unchanged peer is not named, so its session survives.

- What is added comes before what is removed, so that the interface never has neither: without an IPv4 address, the
  kernel takes all IPv4 routes of a link along, and traffic would leave in clear.
- What the kernel takes along all the same is added again (`_routes_taken_along`). What this module does not know of is
  seen when the interface is observed again (`tunnel/io/converge.py`).
- Routes come when everything that they lead to is ready. A rule, a guard or a fallback is added after its route, and a
  rule is removed before it, so a rule without such a route belongs to an interface that is gone.
- A rule is known by the interface's mark, so a mark changes between the new rules and the end of the former ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from warren._core import PresharedKey, PrivateKey, PublicKey
from warren.config.parsers import IPAddress
from warren.tunnel.config import Endpoint, InterfaceConfig, IPInterface, IPNetwork, PeerConfig
from warren.tunnel.nft_guard import Guard, guards_for
from warren.tunnel.routes import (
    Fallback,
    Route,
    Rule,
    connected_networks,
    fallbacks_for,
    former_mark_rules,
    has_connected_route,
    policy_table,
    routes_for,
    rules_for,
)
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus

NO_ADDRESS = IPv4Address(0)


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
    probe_address: IPAddress | None = None
    """The unspecified address removes it."""


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """The change of the engine, whole or not at all; None leaves a field as it is."""

    private_key: PrivateKey | None = None
    listen_port: int | None = None
    fwmark: int | None = None
    probe_sources: tuple[IPAddress, ...] | None = None
    """The own addresses from which the paths to the peers are probed; none turns that off."""
    peers: tuple[PeerChange, ...] = ()


@dataclass(frozen=True, slots=True)
class SetMtu:
    """Set the size of the largest packet inside the tunnel, in bytes."""

    mtu: int


@dataclass(frozen=True, slots=True)
class PromoteSecondaries:
    """Let the kernel keep an IPv4 address when the primary address of its network is removed."""


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
class SetRouteMtu:
    """Set or remove the MTU of a route into the link, which stays meanwhile."""

    route: Route


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Remove a route into the link."""

    route: Route


@dataclass(frozen=True, slots=True)
class AddConnectedRoute:
    """Add the route to the network of an address, as the kernel did with the address."""

    address: IPInterface


@dataclass(frozen=True, slots=True)
class AddFallback:
    """Add the fallback of a default route."""

    fallback: Fallback


@dataclass(frozen=True, slots=True)
class RemoveFallback:
    """Remove the fallback of a default route."""

    fallback: Fallback


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
    | PromoteSecondaries
    | AddAddress
    | RemoveAddress
    | SetUp
    | AddRoute
    | SetRouteMtu
    | RemoveRoute
    | AddConnectedRoute
    | AddFallback
    | RemoveFallback
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
        rules, guards = _rules_to_remove((), observed), _guards_to_remove((), observed)
        return (*rules, *guards, *map(RemoveFallback, observed.fallbacks), RemoveInterface(observed.name))
    if observed is None:
        return (CreateInterface(desired.name), *_difference(desired, InterfaceStatus(desired.name)))
    if observed.name != desired.name:
        raise ValueError(f"{observed.name} cannot become {desired.name}")
    return tuple(_difference(desired, observed))


def _difference(desired: InterfaceConfig, observed: InterfaceStatus) -> Iterator[Step]:
    link = observed.link or LinkStatus(up=False, mtu=0)
    routes = routes_for(desired, _path_mtus(desired, observed))
    rules = rules_for(desired)
    guards = guards_for(desired) if observed.guards is not None else ()
    change = engine_change(desired, observed)
    changes_mark_of_rules = change.fwmark is not None and bool(observed.rules)
    if change != InterfaceChange() and not changes_mark_of_rules:
        yield change
    yield from _link_to_prepare(desired, link)
    removed = _addresses_to_remove(desired, link)
    yield from _routes_to_add(desired, observed, link, routes, removed)
    yield from (SetGuard(guard) for guard in guards if guard not in (observed.guards or ()))
    former = former_mark_rules(desired, observed.fwmark) if changes_mark_of_rules else ()
    yield from (AddRule(rule) for rule in (*former, *rules) if rule not in observed.rules)
    yield from _rules_to_remove((*former, *rules), observed)
    if changes_mark_of_rules:
        yield change
    yield from map(RemoveRule, former)
    yield from _guards_to_remove(guards, observed)
    yield from _fallbacks_and_routes_to_remove(desired, observed, link, routes)
    yield from map(RemoveAddress, removed)
    yield from map(AddRoute, _routes_taken_along(desired, link, routes, removed))


def _link_to_prepare(desired: InterfaceConfig, link: LinkStatus) -> Iterator[Step]:
    """Yield the steps after which the link can have routes; a smaller MTU than IPv6 needs takes its addresses along."""
    if link.mtu != desired.mtu:
        yield SetMtu(desired.mtu)
    assigned = set(link.addresses)
    if not link.promotes_secondaries:
        yield PromoteSecondaries()
    yield from (AddAddress(address) for address in desired.addresses if address not in assigned)
    if not link.up:
        yield SetUp()


def _routes_to_add(
    desired: InterfaceConfig,
    observed: InterfaceStatus,
    link: LinkStatus,
    routes: Sequence[Route],
    removed: Collection[IPInterface],
) -> Iterator[Step]:
    later = _routes_after_connected(desired, link, routes, removed)
    # Where another program has a route to the same destination into the link, that one serves.
    present = link.all_routes.union(link.routes, later, () if link.up else _routes_that_come_up(link))
    yield from (AddRoute(route) for route in routes if route not in present)
    mtus = {route: route.mtu for route in link.routes}
    yield from (SetRouteMtu(route) for route in routes if mtus.get(route, route.mtu) != route.mtu)
    if link.up:  # else the kernel adds them with the step before
        yield from map(AddConnectedRoute, _addresses_without_route(desired, link))
    refused = set(observed.fallbacks)
    yield from (AddFallback(fallback) for fallback in fallbacks_for(desired) if fallback not in refused)


def _path_mtus(desired: InterfaceConfig, observed: InterfaceStatus) -> dict[PublicKey, int]:
    """Return the known path MTUs of the peers; none if they are not to be used."""
    paths = ((peer.public_key, peer.path_mtu) for peer in observed.peers if desired.pmtu)
    return {key: path.mtu for key, path in paths if path is not None and path.mtu is not None}


def _routes_that_come_up(link: LinkStatus) -> Iterator[Route]:
    """Yield the connected routes that the kernel adds when it sets the link up."""
    return (Route(address.network) for address in link.addresses if has_connected_route(address))


def _addresses_without_route(desired: InterfaceConfig, link: LinkStatus) -> Iterator[IPInterface]:
    """Yield the address of each desired connected route that is missing: the first of its network, as in the kernel."""
    first = {address.network: address for address in reversed(link.addresses)}
    # Nearly always they are in the main table; only else the destinations of all routes are collected.
    missing = {network for network in first if Route(network) not in link.all_routes}
    missing = missing and missing - link.destinations
    yield from (first[network] for network in connected_networks(desired) if network in missing)


def _fallbacks_and_routes_to_remove(
    desired: InterfaceConfig, observed: InterfaceStatus, link: LinkStatus, routes: Sequence[Route]
) -> Iterator[Step]:
    fallbacks, wanted = set(fallbacks_for(desired)), set(routes)
    yield from (RemoveFallback(fallback) for fallback in observed.fallbacks if fallback not in fallbacks)
    yield from (RemoveRoute(route) for route in link.routes if route not in wanted)


def _addresses_to_remove(desired: InterfaceConfig, link: LinkStatus) -> tuple[IPInterface, ...]:
    """Return the addresses of ours that are not wanted. Those of the kernel and of other programs stay."""
    unwanted = link.own_addresses.difference(desired.addresses)
    return tuple(address for address in link.addresses if address in unwanted)


def _routes_taken_along(
    desired: InterfaceConfig, link: LinkStatus, routes: Sequence[Route], removed: Collection[IPInterface]
) -> tuple[Route, ...]:
    """Return the desired routes that the kernel does not have after these addresses were removed.

    With the last IPv4 address of a link, all its IPv4 routes go (fib_inetaddr_event in Linux).
    """
    left = {*link.addresses, *desired.addresses}.difference(removed)
    after_connected = _routes_after_connected(desired, link, routes, removed)
    if not any(address.version == 4 for address in removed) or any(address.version == 4 for address in left):
        return after_connected
    late = {route for route in routes if route.destination.version == 4}.union(after_connected)
    return tuple(route for route in routes if route in late)


def _routes_after_connected(
    desired: InterfaceConfig, link: LinkStatus, routes: Sequence[Route], removed: Collection[IPInterface]
) -> tuple[Route, ...]:
    """Return the desired routes whose place the connected route of an address has until the address is removed."""
    left = {*link.addresses, *desired.addresses}.difference(removed)
    connected = {address.network for address in removed} - {address.network for address in left}
    if not connected:
        return ()
    late = {Route(network) for network in connected}.difference(link.routes)
    return tuple(route for route in routes if route in late)


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


def engine_change(desired: InterfaceConfig, observed: InterfaceStatus) -> InterfaceChange:
    """Return the part of a plan that the engine applies: an empty change if nothing differs."""
    new_key = desired.private_key.public_key() != observed.public_key
    new_port = desired.listen_port not in (0, observed.listen_port)
    mark = policy_table(desired) or desired.fwmark
    sources = desired.probe_sources()
    return InterfaceChange(
        private_key=desired.private_key if new_key else None,
        listen_port=desired.listen_port if new_port else None,
        fwmark=mark if mark != observed.fwmark else None,
        probe_sources=sources if observed.probe_sources not in (None, sources) else None,
        peers=tuple(_peer_changes(desired, observed)),
    )


def _peer_changes(desired: InterfaceConfig, observed: InterfaceStatus) -> Iterator[PeerChange]:
    existing = {peer.public_key: peer for peer in observed.peers}
    wanted = {peer.public_key for peer in desired.peers}
    yield from (PeerChange(key, remove=True) for key in existing if key not in wanted)
    for peer in desired.peers:
        before = existing.get(peer.public_key)
        change = _peer_change(peer, before or PeerStatus(peer.public_key))
        if desired.pmtu and observed.probe_sources is not None:
            change = replace(change, probe_address=_probe_change(peer.probe, before))
        if before is None or change != PeerChange(peer.public_key):
            yield change


def _peer_change(peer: PeerConfig, before: PeerStatus) -> PeerChange:
    keepalive = peer.persistent_keepalive_seconds
    return PeerChange(
        peer.public_key,
        preshared_key=_preshared_change(peer.preshared_key, before.preshared_key),
        endpoint=peer.endpoint if peer.endpoint != before.endpoint else None,
        allowed_ips=None if _are_same(peer.allowed_ips, before.allowed_ips) else peer.allowed_ips,
        persistent_keepalive_seconds=keepalive if keepalive != before.persistent_keepalive_seconds else None,
    )


def _probe_change(wanted: IPAddress | None, before: PeerStatus | None) -> IPAddress | None:
    present = None if before is None else before.probe_address
    if wanted is not None and wanted.is_unspecified:
        wanted = None
    return (wanted or NO_ADDRESS) if wanted != present else None


def _are_same(wanted: Sequence[IPNetwork], present: Sequence[IPNetwork]) -> bool:
    """Return True for the same prefixes in any order; engines keep it, so that sets are rarely needed."""
    return wanted == present or set(wanted) == set(present)


def _preshared_change(wanted: PresharedKey | None, present: PresharedKey | None) -> PresharedKey | None:
    none = PresharedKey.none()
    wanted, present = none if wanted is None else wanted, none if present is None else present
    return wanted if wanted != present else None
