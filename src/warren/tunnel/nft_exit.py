"""The nftables ruleset of this host's exit nodes: one table `inet warren_exit`, replaced as a whole. Pure.

Every packet is judged, not only the first of a flow: so a new ruleset cuts the flows that it forbids, in both
directions, and no connection has to be forgotten by the kernel.

- `forward`: from a peer only what the policy allows (exit_sets.py), to a peer only answers of such flows.
- `input`: of this host itself, peers reach echo, and its DNS server if `exit_node.dns` names it.
- `postrouting`: what was forwarded leaves with an address of this host.

A refused packet is answered with administratively prohibited (RFC 1812, section 5.2.7.1; RFC 4443, section 3.1), one of
an open TCP connection with a reset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from warren.config.parsers import IPAddress
from warren.tunnel.address_ranges import Ranges, as_text
from warren.tunnel.exit_policy import ExitNode
from warren.tunnel.exit_sets import SMTP, VERSIONS, ByPorts, ExitHost, ExitSets, exit_sets

TABLE = "warren_exit"
COMMENT = "exit nodes of Warren"
FAMILY = {4: "ip", 6: "ip6"}
ADDRESS_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}
ALL = {4: ((0, (1 << 32) - 1),), 6: ((0, (1 << 128) - 1),)}


@dataclass(frozen=True, slots=True)
class ExitRules:
    """The exit node of one network."""

    network: str
    interface: str
    policy: ExitNode
    host: ExitHost


@dataclass(frozen=True, slots=True)
class _Packet:
    """The names of the fields that a chain judges by."""

    chain: str
    address: str
    port: str

    def of(self, version: int) -> str:
        """Return the field of the destination."""
        return self.address.format(family=FAMILY[version])


# By the packet itself; and by the flow that it belongs to, for answers and for errors about either direction.
DESTINATION = _Packet("destination", "{family} daddr", "th dport")
FLOW = _Packet("flow", "ct original {family} daddr", "ct original proto-dst")


def exit_ruleset(exits: Sequence[ExitRules], *, only_exits_forward_ipv6: bool = False) -> str:
    """Return the ruleset that replaces the table of all exit nodes.

    With `only_exits_forward_ipv6` IPv6 is forwarded from and to their interfaces only: where forwarding can only be
    set for the whole host, no other interface begins to forward.
    """
    lines = [f"table inet {TABLE} {{", f'comment "{COMMENT}"', *_refusals()]
    for number, rules in enumerate(exits):
        for version, sets in zip(VERSIONS, exit_sets(rules.policy, rules.host), strict=True):
            lines += _sets(number, version, sets)
            for packet in (DESTINATION, FLOW):
                lines += _judging_chain(number, version, sets, packet)
        lines += _own_chains(number, rules)
    lines += _base_chains(exits, only_exits_forward_ipv6=only_exits_forward_ipv6)
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n" + "\n".join((*lines, "}", ""))


def remove_ruleset() -> str:
    """Return the ruleset that removes the table, also where there is none."""
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def _refusals() -> Iterator[str]:
    yield from _chain(
        "refuse",
        "ct state established meta l4proto tcp counter reject with tcp reset",
        "counter reject with icmpx admin-prohibited",
    )


def _sets(number: int, version: int, sets: ExitSets) -> Iterator[str]:
    for name in ("never", "deny", "smtp", "closed", "routes", "allow"):
        ranges: Ranges = getattr(sets, name)
        yield f"set e{number}_{name}{version} {{"
        yield f"type {ADDRESS_TYPE[version]}"
        yield "flags interval"
        if ranges:
            yield f"elements = {_elements(ranges, version)}"
        yield "}"


def _elements(ranges: Ranges, version: int) -> str:
    return f"{{ {', '.join(as_text(one, version) for one in ranges)} }}"


def _judging_chain(number: int, version: int, sets: ExitSets, packet: _Packet) -> Iterator[str]:
    """Yield the chain that accepts or refuses by the five rules, and the chain of the subnets that are closed."""
    address, family = packet.of(version), f"{FAMILY[version]}"
    own = f"ct original {family} daddr @e{number}_never{version}"  # before an address of this host was translated
    name, closed = f"e{number}_{packet.chain}{version}", f"e{number}_{packet.chain}_closed{version}"
    yield from _chain(closed, *_naming(sets.closed_ports, version, packet, "return"), "goto refuse")
    rules = [
        f"{address} @e{number}_never{version} goto refuse",
        f"{own} goto refuse",
        f"{address} @e{number}_deny{version} goto refuse",
        *_naming(sets.deny_ports, version, packet, "goto refuse"),
        f"meta l4proto tcp {packet.port} {SMTP} {address} != @e{number}_smtp{version} goto refuse",
        f"{address} @e{number}_closed{version} jump {closed}",
        f"{address} != @e{number}_routes{version} goto refuse",
    ]
    if sets.has_allow:
        rules += [
            f"{address} @e{number}_allow{version} accept",
            *_naming(sets.allow_ports, version, packet, "accept"),
            "goto refuse",
        ]
    else:
        rules.append("accept")
    yield from _chain(name, *rules)


def _naming(groups: ByPorts, version: int, packet: _Packet, verdict: str) -> Iterator[str]:
    """Yield the rules of entries with ports."""
    for (first, last), ranges in groups:
        ports = str(first) if first == last else f"{first}-{last}"
        addresses = "" if ranges == ALL[version] else f"{packet.of(version)} {_elements(ranges, version)} "
        yield f"meta l4proto {{ tcp, udp }} {packet.port} {ports} {addresses}{verdict}"


def _own_chains(number: int, rules: ExitRules) -> Iterator[str]:
    """Yield the chains of one interface: from its peers, to them, and from them to this host."""
    interface = f'"{rules.interface}"'
    by_destination, by_flow = (
        [f"meta nfproto ipv{version} goto e{number}_{packet.chain}{version}" for version in VERSIONS]
        for packet in (DESTINATION, FLOW)
    )
    errors = "meta l4proto { icmp, ipv6-icmp } ct state related"
    yield from _chain(f"e{number}_by_flow", *by_flow)
    yield from _chain(
        f"e{number}_from_peers",
        f"oifname {interface} goto refuse",
        "ct state invalid counter drop",
        f"{errors} goto e{number}_by_flow",
        "meta l4proto != { tcp, udp, icmp, ipv6-icmp } goto refuse",
        "meta l4proto icmp icmp type != echo-request goto refuse",
        "meta l4proto ipv6-icmp icmpv6 type != echo-request goto refuse",
        *by_destination,
    )
    yield from _chain(
        f"e{number}_to_peers",
        f"ct direction reply ct state established,related goto e{number}_by_flow",
        "counter drop",
    )
    yield from _chain(
        f"e{number}_input",
        "ct direction reply ct state established,related accept",
        f"{errors} accept",
        "icmp type echo-request accept",
        "icmpv6 type echo-request accept",
        *(_dns_rule(server) for server in rules.policy.dns if server in rules.host.own),
        "goto refuse",
    )


def _dns_rule(server: IPAddress) -> str:
    return f"{FAMILY[server.version]} daddr {server} meta l4proto {{ tcp, udp }} th dport 53 accept"


def _base_chains(exits: Sequence[ExitRules], *, only_exits_forward_ipv6: bool) -> Iterator[str]:
    interfaces = [f'"{rules.interface}"' for rules in exits]
    others = f"{{ {', '.join(interfaces)} }}"
    forward = [
        *(f"iifname {name} goto e{number}_from_peers" for number, name in enumerate(interfaces)),
        *(f"oifname {name} goto e{number}_to_peers" for number, name in enumerate(interfaces)),
    ]
    if only_exits_forward_ipv6:
        forward.append(f"meta nfproto ipv6 iifname != {others} oifname != {others} counter drop")
    yield from _chain("forward", "type filter hook forward priority filter; policy accept;", *forward)
    inputs = (f"iifname {name} goto e{number}_input" for number, name in enumerate(interfaces))
    yield from _chain("input", "type filter hook input priority filter; policy accept;", *inputs)
    leaving = (f"iifname {name} oifname != {name} masquerade" for name in interfaces)
    yield from _chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", *leaving)


def _chain(name: str, *rules: str) -> Iterator[str]:
    yield f"chain {name} {{"
    yield from rules
    yield "}"
