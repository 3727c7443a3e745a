"""Open, check and close the exit nodes of this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

from warren.config.parsers import IPAddress
from warren.errors import HostError
from warren.privsep.io.helper_state import HelperState
from warren.privsep.io.operations.dns import ADDRESS, INTERFACE, NETWORK, PROBLEMS
from warren.privsep.operation import Operation
from warren.privsep.wire import FLAG, NOTHING, Codec, parsed_codec, text_codec, tuple_codec
from warren.tunnel.config import IPInterface, IPNetwork
from warren.tunnel.exit_journal import is_link_name
from warren.tunnel.exit_policy import ExitEntry, ExitNode, parse_exit_entry, parse_exit_prefix
from warren.tunnel.exit_sets import ExitHost
from warren.tunnel.nft_exit import ExitRules

MAX_ITEMS = 8_192  # of one list; the datagram limits all of them together


@dataclass(frozen=True, slots=True)
class ApplyExit:
    """Open the exit node of a network, or change it."""

    network: str
    interface: str
    routes: tuple[IPNetwork, ...]
    dns: tuple[IPAddress, ...]
    allow_lan: bool
    allow: tuple[ExitEntry, ...]
    deny: tuple[ExitEntry, ...]
    own: tuple[IPAddress, ...]
    attached: tuple[IPInterface, ...]
    mesh: tuple[IPNetwork, ...]
    ipv4_uplinks: tuple[str, ...]
    ipv6_uplinks: tuple[str, ...]

    @classmethod
    def of(cls, rules: ExitRules, uplinks: Mapping[int, tuple[str, ...]]) -> ApplyExit:
        """Return the request that opens these rules."""
        policy, host = rules.policy, rules.host
        return cls(
            rules.network,
            rules.interface,
            policy.routes,
            policy.dns,
            policy.allow_lan,
            policy.allow,
            policy.deny,
            host.own,
            host.attached,
            host.mesh,
            uplinks.get(4, ()),
            uplinks.get(6, ()),
        )

    def rules(self) -> ExitRules:
        """Return the rules of the request."""
        policy = ExitNode(
            enabled=True, routes=self.routes, dns=self.dns, allow_lan=self.allow_lan, allow=self.allow, deny=self.deny
        )
        return ExitRules(self.network, self.interface, policy, ExitHost(self.own, self.attached, self.mesh))

    def uplinks(self) -> dict[int, tuple[str, ...]]:
        """Return the uplinks by version of IP."""
        return {4: self.ipv4_uplinks, 6: self.ipv6_uplinks}


@dataclass(frozen=True, slots=True)
class CheckExit:
    """Return why the exit node of a network does not work."""

    network: str


@dataclass(frozen=True, slots=True)
class RevertExit:
    """Close the exit node of a network."""

    network: str


@dataclass(frozen=True, slots=True)
class RecoverExits:
    """Close what a killed agent left open."""


def apply_exit(state: HelperState, request: ApplyExit) -> None:
    """Open the exit node. Raises HostError."""
    state.exits.apply(request.rules(), request.uplinks())


def check_exit(state: HelperState, request: CheckExit) -> tuple[HostError, ...]:
    """Return why the exit node of one network does not work. Raises HostError."""
    return state.exits.check(request.network)


def revert_exit(state: HelperState, request: RevertExit) -> None:
    """Close the exit node of one network. Raises HostError."""
    state.exits.revert(request.network)


def recover_exits(state: HelperState, _: RecoverExits) -> tuple[HostError, ...]:
    """Return what could not be restored."""
    return state.exits.recover()


def _list_of(parse: Callable[[str], object]) -> Codec[tuple[object, ...]]:
    return tuple_codec(parsed_codec(parse), 0, MAX_ITEMS)


def _link_problems(name: str) -> tuple[str, ...]:
    return () if is_link_name(name) else ("cannot name a link",)


LINKS = tuple_codec(text_codec(_link_problems), 0, MAX_ITEMS)
PREFIXES = _list_of(parse_exit_prefix)
ENTRIES = _list_of(parse_exit_entry)
ADDRESSES = tuple_codec(ADDRESS, 0, MAX_ITEMS)

APPLY_EXIT = Operation(
    ApplyExit,
    {
        "network": NETWORK,
        "interface": INTERFACE,
        "routes": PREFIXES,
        "dns": ADDRESSES,
        "allow_lan": FLAG,
        "allow": ENTRIES,
        "deny": ENTRIES,
        "own": ADDRESSES,
        "attached": _list_of(ip_interface),
        "mesh": PREFIXES,
        "ipv4_uplinks": LINKS,
        "ipv6_uplinks": LINKS,
    },
    apply_exit,
    NOTHING,
)
CHECK_EXIT = Operation(CheckExit, {"network": NETWORK}, check_exit, PROBLEMS)
REVERT_EXIT = Operation(RevertExit, {"network": NETWORK}, revert_exit, NOTHING)
RECOVER_EXITS = Operation(RecoverExits, {}, recover_exits, PROBLEMS)
