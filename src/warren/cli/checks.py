"""The checks of `warren doctor`, from the host outwards (H-95).

Each check examines the host itself, and returns one sentence about what it found and a hint.
"""

from __future__ import annotations

import enum
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network
from typing import Any

from warren._core import Link, Netlink
from warren.cli.format import format_age
from warren.errors import HostError
from warren.telemetry.conditions import CONDITIONS, Severity
from warren.telemetry.health import PeerHealth
from warren.tunnel.config import IPNetwork, parse_endpoint
from warren.tunnel.io.endpoint_route import leads_into
from warren.tunnel.io.nft_guard import find_guards
from warren.tunnel.io.observe import as_rule, find_link, link_status
from warren.tunnel.lifecycle import State
from warren.tunnel.routes import MAIN_TABLE, TUNNEL_MARKS, has_connected_route, policy_rules
from warren.tunnel.status import LinkStatus

IPV4_AND_ICMP_BYTES = 28
MIN_ECHO_BYTES = 1280 - 48  # the minimum MTU of IPv6 (RFC 8200, section 5), less its header and ICMPv6's
PROGRAM_TIMEOUT_SECONDS = 10


class Result(enum.StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check, with a sentence about it."""

    check: str
    result: Result
    sentence: str
    hint: str = ""


def check_conditions(conditions: Sequence[Mapping[str, Any]]) -> Iterator[Verdict]:
    """Yield a verdict for each condition of the agent: failed for one that degrades it, else a warning."""
    for condition in conditions:
        row = CONDITIONS.get(condition["name"])
        result = Result.FAILED if condition["severity"] == Severity.DEGRADED else Result.WARNING
        yield Verdict(condition["name"], result, condition["message"], "" if row is None else row.hint)


def run_checks(
    network: Mapping[str, Any], peers: Sequence[Mapping[str, Any]], netlink: Netlink, now: float
) -> Iterator[Verdict]:
    """Run all checks of one network; `network` and `peers` are the agent's answers."""
    yield check_state(network)
    link = find_link(network["interface"], netlink)
    yield check_link(network, link)
    if link is None or network["state"] != State.ACTIVE:
        return  # a link of that name belongs to another program then
    status = link_status(link, netlink)
    yield check_addresses(network, status)
    yield check_routes(network, peers, status)
    yield from check_full_tunnel(network["interface"], status, netlink)
    yield check_endpoints(network, peers, netlink)
    yield check_port(network)
    yield check_firewall(network)
    for peer in peers:
        yield check_peer(peer, now)
    for address in probe_addresses(peers):
        yield check_path_mtu(address, link)


def check_state(network: Mapping[str, Any]) -> Verdict:
    """Check that the network is active."""
    if network["state"] == State.ACTIVE:
        where = f"{network['interface']} ({network['backend']})"
        return Verdict("state", Result.OK, f"{network['network']} is active on {where}")
    reason = f": {network['error']}" if network["error"] else ""
    problem = f"{network['network']} is {network['state']}{reason}"
    is_retried = network["state"] == State.ERROR
    hint = "the agent retries automatically" if is_retried else f"run: warren connect {network['network']}"
    return Verdict("state", Result.FAILED, problem, hint)


def check_link(network: Mapping[str, Any], link: Link | None) -> Verdict:
    """Check that the interface exists, is up and has the configured MTU."""
    name = network["interface"]
    if link is not None and network["state"] != State.ACTIVE:
        problem = f"{name} does not belong to the network while it is {network['state']}"
        return Verdict("interface", Result.SKIPPED, problem)
    if link is None:
        return Verdict("interface", Result.FAILED, f"link {name} does not exist", "see the agent log")
    if not link.up:
        return Verdict("interface", Result.FAILED, f"{name} is down", f"run: ip link set {name} up")
    if link.mtu != network["mtu"]:
        return Verdict("interface", Result.WARNING, f"{name} has MTU {link.mtu}; configured is {network['mtu']}")
    addresses = ", ".join(network["addresses"]) or "no address"
    return Verdict("interface", Result.OK, f"{name} is up, mtu {link.mtu}, {addresses}")


def check_addresses(network: Mapping[str, Any], status: LinkStatus) -> Verdict:
    """Check that the interface has the configured addresses, and no other ones."""
    name, configured = network["interface"], tuple(map(ip_interface, network["addresses"]))
    missing = [str(address) for address in configured if address not in status.addresses]
    left = [str(address) for address in status.addresses if address in status.own_addresses - {*configured}]
    foreign = [str(address) for address in status.foreign_addresses(configured)]
    if missing:
        problem = f"{name} has no address {', '.join(missing)}"
        return Verdict("addresses", Result.FAILED, problem, "see the agent log; IPv6 may be disabled on this host")
    if left:
        problem = f"{name} still has {', '.join(left)}, which is not configured"
        return Verdict("addresses", Result.FAILED, problem, "run: warren agent reload")
    if foreign:
        problem = f"{name} has {', '.join(foreign)}, which another program added; Warren leaves it alone"
        return Verdict("addresses", Result.WARNING, problem, "add it to `address`, or remove it with that program")
    return Verdict("addresses", Result.OK, f"{name} has {', '.join(network['addresses']) or 'no address'}")


def check_routes(network: Mapping[str, Any], peers: Sequence[Mapping[str, Any]], status: LinkStatus) -> Verdict:
    """Check that the networks of the addresses and the allowed IPs of every peer are routed to the interface."""
    name, addresses = network["interface"], tuple(map(ip_interface, network["addresses"]))
    connected = (address.network for address in addresses if has_connected_route(address))
    allowed = (ip_network(prefix) for peer in peers for prefix in peer["allowed_ips"])
    wanted = tuple(dict.fromkeys((*connected, *allowed)))
    missing = [str(prefix) for prefix in wanted if prefix not in status.destinations]
    if missing:
        problem = f"no route to {name} for {', '.join(missing)}"
        return Verdict("routes", Result.WARNING, problem, "expected with table = 'off'; else run: warren agent reload")
    count = "1 prefix is" if len(wanted) == 1 else f"{len(wanted)} prefixes are"
    return Verdict("routes", Result.OK, f"{count} routed to {name}")


def check_full_tunnel(name: str, status: LinkStatus, netlink: Netlink) -> Iterator[Verdict]:
    """Check that nothing leaves beside the routes of the interface's own table: its rules, fallbacks and guard."""
    own = [route for route in status.routes if route.table in TUNNEL_MARKS or _is_marked(route.table, netlink)]
    for version, table in dict.fromkeys((route.destination.version, route.table) for route in own):
        prefixes = [route.destination for route in own if (route.destination.version, route.table) == (version, table)]
        missing = [
            *_missing_rules(version, table, prefixes, netlink),
            *_missing_fallbacks(table, prefixes, netlink),
            *_missing_guard(name, version, netlink),
        ]
        if missing:
            problem = f"IPv{version} traffic may leave outside of {name}: missing {', '.join(missing)}"
            yield Verdict("full tunnel", Result.FAILED, problem, "run: warren agent reload")
        else:
            routed = ", ".join(map(str, prefixes))
            yield Verdict("full tunnel", Result.OK, f"{routed} leads to {name} only")


def _is_marked(table: int, netlink: Netlink) -> bool:
    return table != MAIN_TABLE and any(rule.fwmark == table for rule in netlink.rules())


def _missing_rules(version: int, mark: int, prefixes: Sequence[IPNetwork], netlink: Netlink) -> Iterator[str]:
    present = {as_rule(rule) for rule in netlink.rules()}
    wanted = policy_rules(version, mark, {prefix.prefixlen for prefix in prefixes})
    return (f"rule {rule.priority} to table {rule.table}" for rule in wanted if rule not in present)


def _missing_fallbacks(table: int, prefixes: Sequence[IPNetwork], netlink: Netlink) -> Iterator[str]:
    present = {route.destination for route in netlink.table_routes(table) if route.ours and route.unreachable}
    return (f"the fallback for {prefix} in table {table}" for prefix in prefixes if prefix not in present)


def _missing_guard(name: str, version: int, netlink: Netlink) -> Iterator[str]:
    try:
        guards = find_guards(netlink)
    except HostError:  # this user may not list them
        return
    if guards is not None and not any((guard.link, guard.version) == (name, version) for guard in guards):
        yield f"the nftables table warren-{name}"


def check_endpoints(network: Mapping[str, Any], peers: Sequence[Mapping[str, Any]], netlink: Netlink) -> Verdict:
    """Check that packets to the endpoints of peers stay outside the tunnel that they carry."""
    interface, mark = network["interface"], network["fwmark"] or 0
    found = ((peer["name"], parse_endpoint(peer["endpoint"]).address) for peer in peers if peer["endpoint"])
    endpoints = [(name, address) for name, address in found if address is not None]
    inside = [(name, address) for name, address in endpoints if leads_into(interface, address, mark, netlink)]
    if not inside:
        return Verdict("endpoints", Result.OK, f"no endpoint is reached by {interface} itself")
    names = ", ".join(f"{address} of peer {name}" for name, address in inside)
    problem = f"packets to the endpoint {names} are routed into {interface} itself"
    place = f"ip route get {inside[0][1]}" + (f" mark {mark:#x}" if mark else "")
    hint = f"`{place}` and `ip rule` show the route or rule; table = 'auto' lets the agent keep them outside"
    return Verdict("endpoints", Result.FAILED, problem, hint)


def check_port(network: Mapping[str, Any]) -> Verdict:
    """Check that the engine has its UDP port."""
    port = network["listen_port"]
    if not port:
        return Verdict("port", Result.FAILED, "the engine has no UDP port", "`ss -ulpn` shows which process uses it")
    return Verdict("port", Result.OK, f"UDP port {port} is open")


def check_firewall(network: Mapping[str, Any]) -> Verdict:
    """Check whether the rules of nftables on this host may drop incoming packets. Rules are only read."""
    port, name = network["listen_port"], network["interface"]
    rules = _output_of("nft", "list", "ruleset")
    if rules is None:
        problem = "nft is not installed, or this user may not list the rules"
        return Verdict("firewall", Result.SKIPPED, problem, firewall_hints(port, name))
    drops = any("hook input" in line and "policy drop" in line for line in rules.splitlines())
    if drops and str(port) not in rules:
        problem = f"input policy is drop and no rule mentions UDP port {port}"
        return Verdict("firewall", Result.WARNING, problem, firewall_hints(port, name))
    return Verdict("firewall", Result.OK, f"no chain of nftables drops UDP port {port}")


def firewall_hints(port: int, interface: str) -> str:
    """Return a line for each firewall program that lets WireGuard in (H-94)."""
    return "\n".join(
        (
            f"nftables:  nft add rule inet filter input udp dport {port} accept",
            f"iptables:  iptables -A INPUT -p udp --dport {port} -j ACCEPT",
            f"firewalld: firewall-cmd --permanent --add-port={port}/udp && firewall-cmd --reload",
            f"pf:        pass in proto udp to port {port}; pass on {interface}",
        )
    )


def check_peer(peer: Mapping[str, Any], now: float) -> Verdict:
    """Check that a peer has completed a handshake and is healthy."""
    check, handshake = f"peer {peer['name']}", peer["latest_handshake"]
    if peer["pending"]:
        return Verdict(check, Result.FAILED, peer["pending"], "check the name and this host's resolver")
    if handshake is None and peer["endpoint"] is None:
        problem = "no endpoint configured and no handshake yet"
        return Verdict(check, Result.WARNING, problem, "wait until the peer connects, or configure its endpoint")
    if handshake is None and peer["health"] == PeerHealth.WAITING:
        problem = f"nothing was sent to {peer['endpoint']} yet, and no keepalive is configured"
        return Verdict(check, Result.WARNING, problem, "send traffic to it, or set persistent_keepalive_secs")
    if handshake is None:
        hint = "check that the peer is up, has this host's public key, and that UDP is not filtered"
        return Verdict(check, Result.FAILED, f"no handshake with {peer['endpoint']} yet{_tried(peer)}", hint)
    last = f"last handshake {format_age(max(0.0, now - handshake))}"
    if peer["health"] != PeerHealth.HEALTHY:
        return Verdict(check, Result.WARNING, f"{last}, at {peer['endpoint']}{_tried(peer)}", "it may be down or idle")
    latency = "" if peer["latency_seconds"] is None else f", latency {peer['latency_seconds'] * 1000:.1f} ms"
    return Verdict(check, Result.OK, f"{last}, at {peer['endpoint']}{latency}")


def _tried(peer: Mapping[str, Any]) -> str:
    """Return which addresses of a peer had no answer, for the end of a sentence."""
    return f"; no answer from {', '.join(peer['tried'])}" if peer["tried"] else ""


def probe_addresses(peers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the IPv4 host addresses of healthy peers: targets for echo requests."""
    for peer in peers:
        prefixes = [ip_network(prefix) for prefix in peer["allowed_ips"]]
        if peer["health"] == PeerHealth.HEALTHY:
            hosts = (prefix for prefix in prefixes if prefix.version == 4 and prefix.num_addresses == 1)
            yield from (str(prefix.network_address) for prefix in hosts)


def check_path_mtu(address: str, link: Link) -> Verdict:
    """Find the longest unfragmented echo that is answered, by binary search."""
    check = f"mtu to {address}"
    if shutil.which("ping") is None:
        return Verdict(check, Result.SKIPPED, "ping is not installed")
    if not _is_answered(address, MIN_ECHO_BYTES):
        problem = f"no reply from {address}"
        return Verdict(check, Result.WARNING, problem, "it may not answer pings; try another address of the peer")
    low, high = MIN_ECHO_BYTES, link.mtu - IPV4_AND_ICMP_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _is_answered(address, middle) else (low, middle - 1)
    path_mtu = low + IPV4_AND_ICMP_BYTES
    if path_mtu < link.mtu:
        problem = f"path MTU is {path_mtu}; the MTU of {link.name} is {link.mtu}"
        return Verdict(check, Result.WARNING, problem, f"set mtu = {path_mtu} in the network's table, and reload")
    return Verdict(check, Result.OK, f"path MTU is at least {path_mtu}")


def _is_answered(address: str, payload_bytes: int) -> bool:
    done = subprocess.run(
        ["ping", "-n", "-q", "-M", "do", "-c", "1", "-W", "1", "-s", str(payload_bytes), address],  # noqa: S607
        capture_output=True,
        timeout=PROGRAM_TIMEOUT_SECONDS,
        check=False,
    )
    return done.returncode == 0


def _output_of(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
